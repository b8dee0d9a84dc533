//! Which pairs merge, in which order, into what: look-ups in place

use super::super::layout::NONE;
use super::super::tables::{Pair, Tables, Word, pair_value, value};

/// The merge tables of a checked section.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Merges<'a> {
    byte_ids: &'a [Word],
    starts: &'a [Word],
    pairs: &'a [Pair],
    ids: &'a [Word],
}

impl<'a> Merges<'a> {
    pub(in super::super) fn new(tables: &Tables<'a>) -> Self {
        Self {
            byte_ids: tables.byte_ids,
            starts: tables.merge_starts,
            pairs: tables.merge_pairs,
            ids: tables.merge_ids,
        }
    }

    /// The token of a single byte.
    pub(super) fn byte_id(&self, byte: u8) -> Option<u32> {
        Some(value(self.byte_ids[usize::from(byte)])).filter(|id| *id != NONE)
    }

    /// Rank and merged token of the pair, by binary search among the pairs of `left`.
    pub(super) fn get(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        let first = value(self.starts[left as usize]) as usize;
        let end = value(self.starts[left as usize + 1]) as usize;
        let pairs = &self.pairs[first..end];
        let found = pairs.binary_search_by_key(&right, |pair| pair_value(*pair).0).ok()?;
        let rank = pair_value(pairs[found]).1;
        Some((rank, self.merged_id(rank)))
    }

    /// The token that the pair of `rank` becomes; `rank` comes from [`Merges::get`].
    pub(super) fn merged_id(&self, rank: u32) -> u32 {
        value(self.ids[rank as usize])
    }
}
