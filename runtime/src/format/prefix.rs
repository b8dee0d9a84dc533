//! The prefix file: keys and values of the first positions of a conversation
//!
//! What prefill computes, kept for the next time: a header that says for what model, cache and numerics it holds, the
//! ids, then the rows of each position. Everything is read front to back and in pieces, so any byte stream will do, and
//! each part's checksum goes on from the one before: what is cut, flipped, swapped or of another file is found before it
//! is computed with. `FORMAT.md` has the table. It is no archive: it lives as long as the model file it belongs to.

use core::fmt;

use super::field::{put, u32_at, u64_at};
use crate::checksum::{Checksum, checksum};
use crate::plan::KvType;

/// First bytes of a prefix file.
pub const PREFIX_MAGIC: [u8; 8] = *b"TERNKV\0\0";
/// The one version of prefix files that this reader knows.
pub const PREFIX_VERSION: u32 = 1;
/// Size of a prefix file's header in bytes.
pub const PREFIX_HEADER_BYTES: usize = 64;
/// What the bits of logits, keys and values follow from: raised whenever the same weights and ids would give others.
pub const NUMERICS_VERSION: u32 = 1;
/// The most ids of a prefix file: the longest context of any model.
pub const MAX_PREFIX_IDS: u32 = 1 << 20;

/// Why a prefix file is refused; `E` is the stream's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the numbers of the message that each variant displays")]
pub enum PrefixError<E> {
    /// The stream failed.
    Read(E),
    /// P1: the stream ends before the file does.
    Truncated,
    /// P2: no prefix file.
    BadMagic { found: u64 },
    /// P3: a version this reader does not know.
    UnsupportedVersion { expected: u32, found: u32 },
    /// P4: the header is damaged.
    HeaderChecksum { expected: u64, found: u64 },
    /// P5: computed by other numerics.
    Numerics { expected: u32, found: u32 },
    /// P6: made with another model file.
    Model { expected: u64, found: u64 },
    /// P7: another element type than this session's cache.
    KvType { expected: KvType, found: u32 },
    /// P8: another shape: layers, KV heads, head size.
    Shape { expected: [u32; 3], found: [u32; 3] },
    /// P9: more ids than any context holds.
    TooManyIds { max: u32, found: u32 },
    /// P10: another length than header and ids demand.
    Length { expected: u64, found: u64 },
    /// P11: a reserved field is used.
    ReservedNotZero,
    /// P12: the ids are damaged.
    IdsChecksum { expected: u64, found: u64 },
    /// P13: the rows of a position are damaged.
    RowsChecksum { pos: u32, expected: u64, found: u64 },
}

impl<E: fmt::Display> fmt::Display for PrefixError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(e) => write!(f, "expected to read a prefix file, found: {e}"),
            Self::Truncated => f.write_str("expected a whole prefix file, found an end before its end"),
            Self::BadMagic { found } => {
                write!(f, "magic: expected \"TERNKV\", found bytes {:02x?}", found.to_le_bytes())
            }
            Self::UnsupportedVersion { expected, found } => {
                write!(f, "prefix file version: expected {expected}, found {found}")
            }
            Self::HeaderChecksum { expected, found } => {
                write!(f, "header checksum: expected {expected:016x}, found {found:016x}")
            }
            Self::Numerics { expected, found } => {
                write!(f, "numerics version: expected {expected}, found {found}")
            }
            Self::Model { expected, found } => {
                write!(f, "model: expected file id {expected:016x}, found {found:016x}")
            }
            Self::KvType { expected, found } => {
                let name = KvType::from_code(*found).map_or("an undefined code", KvType::name);
                write!(f, "KV cache: expected {}, found {name}", expected.name())
            }
            Self::Shape { expected, found } => {
                write!(f, "layers, KV heads, head size: expected {expected:?}, found {found:?}")
            }
            Self::TooManyIds { max, found } => write!(f, "ids: expected at most {max}, found {found}"),
            Self::Length { expected, found } => write!(f, "length: expected {expected} bytes, found {found}"),
            Self::ReservedNotZero => f.write_str("reserved field: expected 0, found another value"),
            Self::IdsChecksum { expected, found } => {
                write!(f, "checksum of the ids: expected {expected:016x}, found {found:016x}")
            }
            Self::RowsChecksum { pos, expected, found } => {
                write!(f, "checksum of position {pos}: expected {expected:016x}, found {found:016x}")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for PrefixError<E> {}

/// For what a prefix was computed, and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixHeader {
    /// [`file_id`](crate::Model::file_id) of the model.
    pub model: u64,
    /// Element type of the rows.
    pub kv: KvType,
    /// Layers, KV heads and head size.
    pub shape: [u32; 3],
    /// Bytes of one position's rows.
    pub position_bytes: u64,
    /// Positions held.
    pub n_ids: u32,
}

impl PrefixHeader {
    /// Length of the whole file in bytes.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        // At most 2^20 positions of at most 2^32 bytes.
        PREFIX_HEADER_BYTES as u64 + 4 * self.n_ids as u64 + 8 + self.n_ids as u64 * (self.position_bytes + 8)
    }

    /// The header's bytes; the last eight are its checksum.
    #[must_use]
    pub fn encode(&self) -> [u8; PREFIX_HEADER_BYTES] {
        let [n_layers, n_kv_heads, head_dim] = self.shape;
        let mut bytes = [0; PREFIX_HEADER_BYTES];
        put(&mut bytes, 0, &PREFIX_MAGIC);
        put(&mut bytes, 8, &PREFIX_VERSION.to_le_bytes());
        put(&mut bytes, 12, &NUMERICS_VERSION.to_le_bytes());
        put(&mut bytes, 16, &self.model.to_le_bytes());
        put(&mut bytes, 24, &self.kv.code().to_le_bytes());
        put(&mut bytes, 28, &n_layers.to_le_bytes());
        put(&mut bytes, 32, &n_kv_heads.to_le_bytes());
        put(&mut bytes, 36, &head_dim.to_le_bytes());
        put(&mut bytes, 40, &self.n_ids.to_le_bytes());
        put(&mut bytes, 48, &self.file_bytes().to_le_bytes());
        let sum = checksum(&bytes[..56]);
        put(&mut bytes, 56, &sum.to_le_bytes());
        bytes
    }

    /// Reads a header that must be for what `self` says; returns the number of ids and the checksum to go on from.
    ///
    /// # Errors
    /// Rejections P2 to P11 of FORMAT.md.
    pub fn check<E>(&self, bytes: &[u8; PREFIX_HEADER_BYTES]) -> Result<(u32, u64), PrefixError<E>> {
        if bytes[..8] != PREFIX_MAGIC {
            return Err(PrefixError::BadMagic { found: u64_at(bytes, 0) });
        }
        let (version, sum) = (u32_at(bytes, 8), u64_at(bytes, 56));
        if version != PREFIX_VERSION {
            return Err(PrefixError::UnsupportedVersion { expected: PREFIX_VERSION, found: version });
        }
        let found = checksum(&bytes[..56]);
        if found != sum {
            return Err(PrefixError::HeaderChecksum { expected: sum, found });
        }
        let numerics = u32_at(bytes, 12);
        if numerics != NUMERICS_VERSION {
            return Err(PrefixError::Numerics { expected: NUMERICS_VERSION, found: numerics });
        }
        let model = u64_at(bytes, 16);
        if model != self.model {
            return Err(PrefixError::Model { expected: self.model, found: model });
        }
        let kv = u32_at(bytes, 24);
        if kv != self.kv.code() {
            return Err(PrefixError::KvType { expected: self.kv, found: kv });
        }
        let shape = [u32_at(bytes, 28), u32_at(bytes, 32), u32_at(bytes, 36)];
        if shape != self.shape {
            return Err(PrefixError::Shape { expected: self.shape, found: shape });
        }
        let n_ids = u32_at(bytes, 40);
        if n_ids > MAX_PREFIX_IDS {
            return Err(PrefixError::TooManyIds { max: MAX_PREFIX_IDS, found: n_ids });
        }
        let expected = Self { n_ids, ..*self }.file_bytes();
        let found = u64_at(bytes, 48);
        if found != expected {
            return Err(PrefixError::Length { expected, found });
        }
        if u32_at(bytes, 44) != 0 {
            return Err(PrefixError::ReservedNotZero);
        }
        Ok((n_ids, sum))
    }
}

/// Checksums of consecutive parts, each going on from the one before.
#[derive(Debug)]
pub struct ChainedChecksum {
    previous: u64,
    sum: Checksum,
}

impl ChainedChecksum {
    /// A chain that goes on from `previous`.
    #[must_use]
    pub fn new(previous: u64) -> Self {
        let mut sum = Checksum::new();
        sum.update(&previous.to_le_bytes());
        Self { previous, sum }
    }

    /// Appends `bytes` to the part at hand.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// Ends the part: its checksum, from which the next one goes on.
    pub fn end_part(&mut self) -> u64 {
        *self = Self::new(self.sum.value());
        self.previous
    }
}
