//! A model file, memory-mapped read-only

#![expect(unsafe_code, reason = "labelled room: mapping a file is unsafe by nature")]

use core::ops::Range;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};

/// A multiple of every page size of the systems we run on.
const PAGE: usize = 64 << 10;

/// A model file whose bytes are the mapping itself: nothing is copied, pages load on first use.
#[derive(Debug)]
pub struct ModelFile {
    map: Mmap,
    /// Bytes at the start of the mapping that the file does not have.
    n_front: usize,
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
        Ok(Self { map, n_front: 0 })
    }

    /// Maps the file at `path` with `front` in the place of its first bytes: in this mapping, not in the file.
    ///
    /// So a packer tries a model whose header is not written yet, and what it leaves when it dies is no model.
    ///
    /// # Errors
    /// As [`open`](Self::open); a `front` longer than the file.
    pub fn open_with_front(path: &Path, front: &[u8]) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: as in `open`; writes go to private copies of the pages.
        let mut map = unsafe { MmapOptions::new().map_copy(&file)? };
        let start = map.get_mut(..front.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        start.copy_from_slice(front);
        Ok(Self { map: map.make_read_only()?, n_front: front.len() })
    }

    /// Tells the system that the bytes of `range` are not needed for now: the pages that lie within it leave this
    /// process's memory and come back from the file on the next use. Nothing else changes, and failure is harmless. The
    /// front of [`open_with_front`](Self::open_with_front), which the file does not have, stays.
    ///
    /// # Panics
    /// If `range` is not within the file.
    pub fn release(&self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.map.len(), "{range:?} of {}", self.map.len());
        // Only whole pages: what shares one with a neighbour stays.
        let start = range.start.max(self.n_front).next_multiple_of(PAGE);
        let end = range.end / PAGE * PAGE;
        if start < end {
            // SAFETY: pages behind the front were never written, so what is read from the file again are the bytes that
            // were there; the mapping itself stays.
            let _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start) };
        }
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
    fn a_front_is_in_the_mapping_alone_and_released_pages_come_back() {
        let path = env::temp_dir().join(format!("ternlet-{}.front", id()));
        let bytes: std::vec::Vec<u8> = (0..251).cycle().take(5 * PAGE).collect();
        fs::write(&path, &bytes).unwrap();
        let file = ModelFile::open_with_front(&path, &[0xaa; 100]).unwrap();
        for range in [PAGE + 7..4 * PAGE + 9, 100..3 * PAGE, 0..5 * PAGE, 5 * PAGE - 1..5 * PAGE, 300..300] {
            assert!(file.bytes()[..100] == [0xaa; 100] && file.bytes()[100..] == bytes[100..]);
            file.release(range);
        }
        assert!(file.bytes()[..100] == [0xaa; 100] && file.bytes()[100..] == bytes[100..]);
        assert!(fs::read(&path).unwrap() == bytes);
        assert!(ModelFile::open_with_front(&path, &std::vec![0; 5 * PAGE + 1]).is_err());
        fs::remove_file(&path).unwrap();
    }

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
