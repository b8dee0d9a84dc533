//! The SELF_TEST section: a few ids and the hash of their logits
//!
//! `pack` prefills the ids with an f16 KV cache and stores the hash; every machine that loads the file can repeat it
//! and must reach the same 64 bits. The section is `n_ids u32, zero u32, logits_hash u64`, then the ids.

use super::error::LoadError;
use super::field::{put, u32_at, u64_at};
use super::sections::SectionId;
use crate::arena::cast_slice;
use crate::config::Config;

/// Bytes before the ids.
pub const SELF_TEST_HEAD_BYTES: usize = 16;
/// The most ids a self-test may hold.
pub const MAX_SELF_TEST_IDS: u32 = 1024;

/// Ids to prefill and the hash that their logits must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfTest<'a> {
    /// The ids, each below `vocab_size`; at least one, at most `max_seq_len`.
    pub ids: &'a [u32],
    /// The named hash over the logits of all positions, KV cache in f16.
    pub logits_hash: u64,
}

impl<'a> SelfTest<'a> {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// Rejections R18 and R33 to R35 of FORMAT.md.
    pub fn decode(section: &'a [u8], config: &Config) -> Result<Self, LoadError> {
        let found = section.len() as u64;
        let wrong_length = |expected| LoadError::SectionLength { id: SectionId::SelfTest, expected, found };
        let Some((head, ids)) = section.split_at_checked(SELF_TEST_HEAD_BYTES) else {
            return Err(wrong_length(SELF_TEST_HEAD_BYTES as u64));
        };
        let n_ids = u32_at(head, 0);
        let max = MAX_SELF_TEST_IDS.min(config.max_seq_len);
        if !(1..=max).contains(&n_ids) {
            return Err(LoadError::SelfTestCount { max, found: n_ids });
        }
        if u32_at(head, 4) != 0 {
            return Err(LoadError::SelfTestReserved);
        }
        let expected = SELF_TEST_HEAD_BYTES as u64 + u64::from(n_ids) * 4;
        if found != expected {
            return Err(wrong_length(expected));
        }
        let ids: &[u32] = cast_slice(ids).ok_or(wrong_length(expected))?;
        if let Some(&id) = ids.iter().find(|&&id| id >= config.vocab_size) {
            return Err(LoadError::SelfTestId { found: id, vocab_size: config.vocab_size });
        }
        Ok(Self { ids, logits_hash: u64_at(head, 8) })
    }
}

/// The first 16 bytes of a section with `n_ids` ids; the ids follow, little-endian.
#[must_use]
pub fn encode_self_test_head(n_ids: u32, logits_hash: u64) -> [u8; SELF_TEST_HEAD_BYTES] {
    let mut head = [0; SELF_TEST_HEAD_BYTES];
    put(&mut head, 0, &n_ids.to_le_bytes());
    put(&mut head, 8, &logits_hash.to_le_bytes());
    head
}
