//! `logits_hash` and `ids_hash`: 64-bit numbers that two machines compare
//!
//! XXH64, seed 0, over each position that chose a token, in order: the position (u32 LE) and all logits (f32 bits, LE), or
//! the position and the chosen id (u32 LE). Equal hashes mean equal bits, on every backend, thread count and machine. A
//! split head that left logits out has no logits hash; its ids hash is that of the full head.

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

/// Both hashes of a run.
#[derive(Debug, Clone)]
pub struct OutputHash {
    /// `None` from the first position on whose logits were not all there.
    logits: Option<LogitsHash>,
    ids: IdsHash,
}

impl OutputHash {
    /// The hash of no positions.
    #[must_use]
    pub fn new() -> Self {
        Self { logits: Some(LogitsHash::new()), ids: IdsHash::new() }
    }

    /// Appends position `pos`, which chose `id`; `logits: [vocab_size]` if all were computed.
    pub fn update(&mut self, pos: u32, logits: Option<&[f32]>, id: u32) {
        self.ids.update(pos, id);
        match (logits, &mut self.logits) {
            (Some(logits), Some(hash)) => hash.update(pos, logits),
            _ => self.logits = None,
        }
    }

    /// The logits hash so far, if every position had all its logits.
    #[must_use]
    pub fn logits_hash(&self) -> Option<u64> {
        self.logits.as_ref().map(LogitsHash::finish)
    }

    /// The ids hash so far.
    #[must_use]
    pub fn ids_hash(&self) -> u64 {
        self.ids.finish()
    }
}

impl Default for OutputHash {
    fn default() -> Self {
        Self::new()
    }
}

/// The hash that can be had, with its name: of the logits, else of the ids.
impl fmt::Display for OutputHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.logits_hash() {
            Some(hash) => write!(f, "logits_hash {hash:016x}"),
            None => write!(f, "ids_hash {:016x}", self.ids_hash()),
        }
    }
}

/// A running ids hash.
#[derive(Clone)]
struct IdsHash(XxHash64);

impl IdsHash {
    fn new() -> Self {
        Self(XxHash64::with_seed(0))
    }

    fn update(&mut self, pos: u32, id: u32) {
        self.0.write(&pos.to_le_bytes());
        self.0.write(&id.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl fmt::Debug for IdsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdsHash({:016x})", self.finish())
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
