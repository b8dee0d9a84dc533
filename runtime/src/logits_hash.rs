//! `logits_hash`: one 64-bit number that two machines compare
//!
//! XXH64, seed 0, over the position (u32 LE) and all logits (f32 bits, LE) of each position that
//! chose a token, in order. Equal hashes mean equal bits, on every backend, thread count and
//! machine.

use core::fmt;
use core::hash::Hasher;

use twox_hash::XxHash64;

/// A running logits hash.
#[derive(Clone)]
pub struct LogitsHash(XxHash64);

impl LogitsHash {
    /// The hash of no positions.
    #[must_use]
    pub fn new() -> Self {
        Self(XxHash64::with_seed(0))
    }

    /// Appends the `logits: [vocab_size]` of position `pos`.
    pub fn update(&mut self, pos: u32, logits: &[f32]) {
        self.0.write(&pos.to_le_bytes());
        let mut bytes = [0u8; 1024];
        for chunk in logits.chunks(bytes.len() / 4) {
            for (out, v) in bytes.chunks_exact_mut(4).zip(chunk) {
                out.copy_from_slice(&v.to_le_bytes());
            }
            self.0.write(&bytes[..chunk.len() * 4]);
        }
    }

    /// The hash so far.
    #[must_use]
    pub fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl Default for LogitsHash {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LogitsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogitsHash({:016x})", self.finish())
    }
}
