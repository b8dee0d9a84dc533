//! A folder of saved conversations

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::PathBuf;
use std::{format, process};

use embedded_io::{ErrorKind, ErrorType, Read, Write};

use crate::console::Storage;

/// Bytes that are read or written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Keeps each conversation in a file `NAME.talk`, which a save replaces whole or not at all.
#[derive(Debug)]
pub struct SaveFolder {
    path: PathBuf,
}

impl SaveFolder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        if !fs::metadata(&path)?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder"));
        }
        Ok(Self { path })
    }

    /// The file of the conversation `name`, which need not be there; what is there and no file is refused.
    fn file(&self, name: &str) -> Result<PathBuf, ErrorKind> {
        let path = self.path.join(format!("{name}.talk"));
        // Before opening: a pipe without a writer would never open.
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => Err(ErrorKind::InvalidInput),
            _ => Ok(path),
        }
    }
}

impl Storage for SaveFolder {
    fn save(
        &mut self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write<Error = ErrorKind>) -> Result<(), ErrorKind>,
    ) -> Result<(), ErrorKind> {
        let path = self.file(name)?;
        let part = self.path.join(format!(".{name}.{}.part", process::id()));
        let saved = File::create(&part).map_err(|e| kind(&e)).and_then(|file| {
            let mut stream = Stream(BufWriter::with_capacity(BUFFER_BYTES, file));
            write(&mut stream)?;
            let file = stream.0.into_inner().map_err(|e| kind(e.error()))?;
            file.sync_all().map_err(|e| kind(&e))?;
            fs::rename(&part, path).map_err(|e| kind(&e))
        });
        if saved.is_err() {
            // Nobody can act on a second failure.
            let _ = fs::remove_file(&part);
        }
        saved
    }

    fn restore(
        &mut self,
        name: &str,
        read: &mut dyn FnMut(&mut dyn Read<Error = ErrorKind>),
    ) -> Result<(), ErrorKind> {
        let file = File::open(self.file(name)?).map_err(|e| kind(&e))?;
        read(&mut Stream(BufReader::with_capacity(BUFFER_BYTES, file)));
        Ok(())
    }
}

/// A stream whose errors are kinds alone, as the console's are.
struct Stream<T>(T);

impl<T> ErrorType for Stream<T> {
    type Error = ErrorKind;
}

impl<T: io::Read> Read for Stream<T> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buf).map_err(|e| kind(&e))
    }
}

impl<T: io::Write> Write for Stream<T> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(buf).map_err(|e| kind(&e))
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().map_err(|e| kind(&e))
    }
}

fn kind(e: &io::Error) -> ErrorKind {
    e.kind().into()
}
