//! A model file, memory-mapped read-only

#![expect(unsafe_code, reason = "labelled room: mapping a file is unsafe by nature")]

use std::fs::File;
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
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if metadata.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
        }
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
