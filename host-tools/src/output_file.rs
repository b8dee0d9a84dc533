//! An output that appears whole or not at all
//!
//! Bytes go to a hidden file beside the target, which takes the target's name only when everything is on disk. Dropped
//! earlier, it is removed. So an output may be what a program still reads, and a failed run leaves what was there.
//! Devices and pipes have no name to take: they are refused, or streamed to where the caller can.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process;

use crate::error::Error;

/// A file in the making.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    /// The hidden file; `None` for a stream.
    part: Option<PathBuf>,
    target: PathBuf,
}

impl OutputFile {
    /// Creates the hidden file beside `target`.
    ///
    /// # Errors
    /// A target that is a folder, a device or a pipe, or a folder that cannot be written in.
    pub fn create(target: &Path) -> Result<Self, Error> {
        let refuse = |found: &str| {
            Error::new(target.display(), format!("expected the name of a file to write, found {found}"))
                .hint("choose another name for the output")
        };
        let name = target.file_name().ok_or_else(|| refuse("a folder"))?;
        match fs::metadata(target) {
            Ok(there) if there.is_dir() => return Err(refuse("a folder")),
            Ok(there) if !there.is_file() => return Err(refuse("a device or pipe")),
            _ => {}
        }
        let hidden = format!(".{}.{}.part", process::id(), name.to_string_lossy());
        let part = target.with_file_name(hidden);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&part).map_err(|e| {
            Error::new(target.display(), format!("expected a folder to write in, found: {e}"))
                .hint("choose another place for the output")
        })?;
        Ok(Self { file, part: Some(part), target: target.into() })
    }

    /// As [`create`](Self::create), but a device or a pipe is written to as it is, front to back.
    ///
    /// # Errors
    /// A target that is a folder, or cannot be written.
    pub fn create_or_stream(target: &Path) -> Result<Self, Error> {
        if !fs::metadata(target).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            return Self::create(target);
        }
        let file = OpenOptions::new().write(true).open(target).map_err(|e| write_error(target, &e))?;
        Ok(Self { file, part: None, target: target.into() })
    }

    /// The file to write to.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Where the bytes lie until [`publish`](Self::publish).
    #[must_use]
    pub fn path(&self) -> &Path {
        self.part.as_ref().unwrap_or(&self.target)
    }

    /// Flushes to disk and takes the target's name.
    ///
    /// # Errors
    /// A disk that is full, or a name that was taken by a folder in the meantime.
    pub fn publish(self) -> Result<(), Error> {
        let Some(part) = &self.part else { return Ok(()) };
        self.file.sync_all().and_then(|()| fs::rename(part, &self.target)).map_err(|e| self.error(&e))
    }

    /// A failed write.
    #[must_use]
    pub fn error(&self, e: &std::io::Error) -> Error {
        write_error(&self.target, e)
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // After `publish` there is nothing of that name; after a failure nobody can act on a second one.
            let _ = fs::remove_file(part);
        }
    }
}

fn write_error(target: &Path, e: &std::io::Error) -> Error {
    Error::new(target.display(), format!("expected to write the file, found: {e}"))
}

/// Refuses an `output` that is one of the `inputs`, whatever the paths are called.
///
/// # Errors
/// If two of the paths lead to the same file.
pub fn refuse_input(output: &Path, inputs: &[&Path]) -> Result<(), Error> {
    let Ok(real) = fs::canonicalize(output) else { return Ok(()) };
    match inputs.iter().find(|input| fs::canonicalize(input).is_ok_and(|input| input == real)) {
        None => Ok(()),
        Some(input) => Err(Error::new(
            output.display(),
            format!("expected another file than the input, found {} itself", input.display()),
        )
        .hint("choose another name for the output")),
    }
}
