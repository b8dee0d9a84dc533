//! An output that appears whole or not at all
//!
//! Bytes go to a hidden file beside the target, which takes the target's name only when everything is on disk. Dropped
//! earlier, it is removed.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process;

use crate::error::Error;

/// A file in the making.
#[derive(Debug)]
pub(super) struct OutputFile {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl OutputFile {
    /// Creates the hidden file beside `target`.
    pub(super) fn create(target: &Path) -> Result<Self, Error> {
        let Some(name) = target.file_name() else {
            return Err(Error::new(target.display(), "expected the name of a file to write, found a folder"));
        };
        if target.is_dir() {
            return Err(Error::new(target.display(), "expected the name of a file to write, found a folder"));
        }
        let hidden = format!(".{}.{}.part", process::id(), name.to_string_lossy());
        let path = target.with_file_name(hidden);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(|e| {
            Error::new(target.display(), format!("expected a folder to write in, found: {e}"))
                .hint("choose another place with -o FILE")
        })?;
        Ok(Self { file, path, target: target.into() })
    }

    /// The file to write to.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Where the bytes lie until [`publish`](Self::publish).
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes to disk and takes the target's name.
    pub(super) fn publish(self) -> Result<(), Error> {
        self.file.sync_all().and_then(|()| fs::rename(&self.path, &self.target)).map_err(|e| self.error(&e))
    }

    /// A failed write.
    pub(super) fn error(&self, e: &std::io::Error) -> Error {
        Error::new(self.target.display(), format!("expected to write the file, found: {e}"))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // After `publish` there is nothing of that name; after a failure nobody can act on a second one.
        let _ = fs::remove_file(&self.path);
    }
}
