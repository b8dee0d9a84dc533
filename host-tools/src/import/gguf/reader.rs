//! Bytes in file order, never past the end
//!
//! Lengths and counts of a file are claims: each is compared with the bytes that are left before anything is allocated
//! or skipped for it.

use crate::error::Error;

/// A place in a file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes from the start of the file.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// What was read from `start` on.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    /// The next `n` bytes, which `what` names in messages.
    pub(super) fn take(&mut self, n: u64, what: &str) -> Result<&'a [u8], Error> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(n).ok().and_then(|n| rest.get(..n)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => Err(cut_short(
                what,
                format!("expected {n} bytes from byte {}, found {}", self.at, rest.len()),
            )),
        }
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let bytes = self.take(N as u64, what)?;
        Ok(*bytes.first_chunk().expect("as many bytes as were taken"))
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Error> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Error> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of things that take `min_bytes` each at least.
    pub(super) fn count(&mut self, min_bytes: u64, what: &str) -> Result<usize, Error> {
        let n = self.u64(what)?;
        let rest = self.bytes.len() - self.at;
        match usize::try_from(n) {
            Ok(count) if n.checked_mul(min_bytes).is_some_and(|bytes| bytes <= rest as u64) => Ok(count),
            _ => Err(cut_short(
                what,
                format!("expected a count that fits the {rest} bytes that are left, found {n}"),
            )),
        }
    }

    /// A string: its length, then its bytes.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a [u8], Error> {
        let n = self.u64(what)?;
        self.take(n, what)
    }
}

fn cut_short(what: &str, problem: String) -> Error {
    Error::new(what, problem).hint("the file is damaged or its download incomplete: fetch it again")
}
