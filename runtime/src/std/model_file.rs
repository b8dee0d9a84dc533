//! A model file, memory-mapped read-only

#![expect(unsafe_code, reason = "labelled room: mapping a file is unsafe by nature")]

use std::fs::{self, File};
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// A model file whose bytes are the mapping itself: nothing is copied, pages load on first use.
#[derive(Debug)]
pub struct ModelFile {
    map: Mmap,
}

impl ModelFile {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// If the file cannot be opened, is no regular file, is empty or cannot be mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Before opening: a pipe without a writer would never open.
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if metadata.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
        }
        let file = File::open(path)?;
        // SAFETY: the mapping is private and read-only. Another process that truncates or rewrites
        // the file while it is mapped can change these bytes or raise SIGBUS; like every program
        // that maps its data we rely on nobody doing so (`pack` replaces files by rename, which
        // leaves existing mappings untouched).
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self { map })
    }

    /// The file's bytes; the base is page-aligned.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}

impl AsRef<[u8]> for ModelFile {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, id};
    use std::{env, format};

    #[test]
    fn what_is_no_regular_file_is_refused_and_never_waited_for() {
        let pipe = env::temp_dir().join(format!("ternlet-{}.pipe", id()));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let outcome = ModelFile::open(&pipe).map(|_| ()).map_err(|e| e.kind());
        fs::remove_file(&pipe).unwrap();
        assert_eq!(outcome, Err(io::ErrorKind::InvalidInput));
        assert!(ModelFile::open(&env::temp_dir()).is_err());
    }
}
