//! The SYSTEM section: a system message, prefilled by the packer
//!
//! The text, the ids that a conversation with it starts with, and the keys and values of these ids in f16, computed by the
//! runtime itself when the file was packed: prefill on the laptop, decode on the board. The last section, behind TENSORS,
//! and as long as it likes: parsing reads text and ids alone, the rows of each position have their own checksums, which
//! go on from one another as in a prefix file.

use core::fmt;

use super::field::{first_non_zero, put, u32_at, u64_at};
use super::prefix::NUMERICS_VERSION;
use crate::arena::cast_slice;
use crate::checksum::Checksum;
use crate::config::Config;
use crate::plan::KvType;

/// Bytes before the text.
pub const SYSTEM_HEAD_BYTES: usize = 24;
/// The longest text, in bytes: it is encoded in the text buffer of any session.
pub const MAX_SYSTEM_TEXT_BYTES: usize = 1024;

/// Why a SYSTEM section is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the numbers of the message that each variant displays")]
pub enum SystemError {
    /// S1: shorter than its head.
    Truncated { need: usize, have: usize },
    /// S2: a text that is empty or too long.
    TextLength { max: usize, found: u32 },
    /// S3: no ids, or no room behind them.
    IdCount { max: u32, found: u32 },
    /// S4: another length than the counts and the config demand.
    Length { expected: u64, found: u64 },
    /// S5: a reserved field or a byte of padding is used.
    ReservedNotZero,
    /// S6: text or ids are damaged.
    Checksum { expected: u64, found: u64 },
    /// S7: rows computed by other numerics.
    Numerics { expected: u32, found: u32 },
    /// S8: text that is not UTF-8.
    NotUtf8,
    /// S9: an id outside the vocabulary.
    Id { found: u32, vocab_size: u32 },
    /// S10: no chat template to write the message with.
    NoTemplate,
    /// S11: the rows of a position are damaged.
    Rows { pos: u32 },
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { need, have } => write!(f, "expected at least {need} bytes, found {have}"),
            Self::TextLength { max, found } => write!(f, "text: expected 1 to {max} bytes, found {found}"),
            Self::IdCount { max, found } => write!(f, "ids: expected 1 to {max}, found {found}"),
            Self::Length { expected, found } => write!(f, "length: expected {expected} bytes, found {found}"),
            Self::ReservedNotZero => f.write_str("reserved byte: expected 0, found another value"),
            Self::Checksum { expected, found } => {
                write!(f, "checksum of text and ids: expected {expected:016x}, found {found:016x}")
            }
            Self::Numerics { expected, found } => {
                write!(f, "numerics version: expected {expected}, found {found}")
            }
            Self::NotUtf8 => f.write_str("text: expected UTF-8, found other bytes"),
            Self::Id { found, vocab_size } => write!(f, "expected ids below {vocab_size}, found {found}"),
            Self::NoTemplate => f.write_str("expected a chat template beside it, found none"),
            Self::Rows { pos } => write!(f, "rows of position {pos}: expected another checksum than found"),
        }
    }
}

/// A system message and what the packer computed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemPrompt<'a> {
    /// The message as it was given to the packer.
    pub text: &'a str,
    /// What a conversation with it starts with, up to where the user's words begin; each below `vocab_size`.
    pub ids: &'a [u32],
    /// Keys and values of these ids in f16, each position followed by its checksum.
    pub positions: &'a [u8],
    /// The checksum of text and ids, from which those of the positions go on.
    pub(crate) sum: u64,
}

/// Bytes of one position's rows with an f16 cache.
fn position_bytes(config: &Config) -> u64 {
    let n_elements = u64::from(config.n_layers) * u64::from(config.kv_dim());
    2 * n_elements * KvType::F16.size_bytes()
}

/// Length of the section for a text of `n_text` bytes and `n_ids` ids.
#[must_use]
pub fn system_section_bytes(config: &Config, n_text: usize, n_ids: u32) -> u64 {
    let head = (SYSTEM_HEAD_BYTES + n_text.next_multiple_of(4)) as u64;
    head + u64::from(n_ids) * (4 + position_bytes(config) + 8)
}

impl<'a> SystemPrompt<'a> {
    /// Reads and checks the section, all but the positions.
    ///
    /// # Errors
    /// Rejections S1 to S9 of FORMAT.md.
    pub fn decode(section: &'a [u8], config: &Config) -> Result<Self, SystemError> {
        let Some((head, rest)) = section.split_at_checked(SYSTEM_HEAD_BYTES) else {
            return Err(SystemError::Truncated { need: SYSTEM_HEAD_BYTES, have: section.len() });
        };
        let (text_bytes, n_ids) = (u32_at(head, 0), u32_at(head, 4));
        let n_text = text_bytes as usize;
        if !(1..=MAX_SYSTEM_TEXT_BYTES).contains(&n_text) {
            return Err(SystemError::TextLength { max: MAX_SYSTEM_TEXT_BYTES, found: text_bytes });
        }
        // A user's word must fit behind them.
        let max = config.max_seq_len.saturating_sub(1);
        if !(1..=max).contains(&n_ids) {
            return Err(SystemError::IdCount { max, found: n_ids });
        }
        let expected = system_section_bytes(config, n_text, n_ids);
        if section.len() as u64 != expected {
            return Err(SystemError::Length { expected, found: section.len() as u64 });
        }
        let (text, rest) = rest.split_at(n_text.next_multiple_of(4));
        let (ids, positions) = rest.split_at(n_ids as usize * 4);
        if u32_at(head, 12) != 0 || first_non_zero(&text[n_text..]).is_some() {
            return Err(SystemError::ReservedNotZero);
        }
        let (expected, found) = (u64_at(head, 16), sum(&head[..16], text, ids));
        if found != expected {
            return Err(SystemError::Checksum { expected, found });
        }
        let numerics = u32_at(head, 8);
        if numerics != NUMERICS_VERSION {
            return Err(SystemError::Numerics { expected: NUMERICS_VERSION, found: numerics });
        }
        let text = core::str::from_utf8(&text[..n_text]).map_err(|_| SystemError::NotUtf8)?;
        // Never refused: the section starts at a multiple of 64, and what stands before the ids is a multiple of 4 long.
        let ids: &[u32] = cast_slice(ids).ok_or(SystemError::ReservedNotZero)?;
        if let Some(&id) = ids.iter().find(|&&id| id >= config.vocab_size) {
            return Err(SystemError::Id { found: id, vocab_size: config.vocab_size });
        }
        Ok(Self { text, ids, positions, sum: expected })
    }

    /// Compares every position with its checksum.
    ///
    /// # Errors
    /// Rejection S11 of FORMAT.md, for the first damaged position.
    pub fn verify_positions(&self) -> Result<(), SystemError> {
        // `decode` checked that there is a whole number of positions, none of them without its checksum.
        let position_bytes = self.positions.len() / self.ids.len();
        let mut previous = self.sum;
        for (pos, position) in (0..).zip(self.positions.chunks_exact(position_bytes)) {
            let (rows, stored) = position.split_at(position_bytes - 8);
            let mut sum = Checksum::new();
            sum.update(&previous.to_le_bytes());
            sum.update(rows);
            previous = sum.value();
            if previous != u64_at(stored, 0) {
                return Err(SystemError::Rows { pos });
            }
        }
        Ok(())
    }
}

/// What stands before text and ids in a SYSTEM section.
#[must_use]
pub fn encode_system_head(padded_text: &[u8], n_text: u32, ids: &[u8]) -> [u8; SYSTEM_HEAD_BYTES] {
    let mut head = [0; SYSTEM_HEAD_BYTES];
    put(&mut head, 0, &n_text.to_le_bytes());
    // At most the model's context.
    put(&mut head, 4, &u32::try_from(ids.len() / 4).unwrap_or(u32::MAX).to_le_bytes());
    put(&mut head, 8, &NUMERICS_VERSION.to_le_bytes());
    let sum = sum(&head[..16], padded_text, ids);
    put(&mut head, 16, &sum.to_le_bytes());
    head
}

fn sum(head: &[u8], padded_text: &[u8], ids: &[u8]) -> u64 {
    let mut sum = Checksum::new();
    [head, padded_text, ids].iter().for_each(|part| sum.update(part));
    sum.value()
}
