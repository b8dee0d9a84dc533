//! XXH64, the one checksum of the model format
//!
//! A 64-bit non-cryptographic hash with seed 0: it finds damage (a flipped bit, a lost sector, a broken transfer), not
//! malice. Memory safety never rests on it: every table is validated after its checksum matched.
//! Source: the xxHash specification (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>), by `twox-hash`.

use core::hash::Hasher as _;
use twox_hash::XxHash64;

/// The XXH64 (seed 0) of `bytes`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// An XXH64 (seed 0) over bytes that arrive in pieces; equal to [`checksum`] of their concatenation.
#[derive(Debug, Clone)]
pub struct Checksum(XxHash64);

impl Checksum {
    /// The checksum of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(XxHash64::with_seed(0))
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The checksum of everything appended so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.finish()
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_vectors_and_pieces() {
        assert_eq!(checksum(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(checksum(b"a"), 0xD24E_C4F1_A98C_6E5B);
        let text = [7_u8; 100];
        for cut in 0..=text.len() {
            let mut pieces = Checksum::new();
            pieces.update(&text[..cut]);
            pieces.update(&text[cut..]);
            assert_eq!(pieces.value(), checksum(&text));
        }
    }
}
