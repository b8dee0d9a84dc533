//! Words that are one token: a hash table from bytes to id
//!
//! The table holds the tokens whose bytes, given as a word, encode to just that token: all of them for a vocabulary with
//! `ignore_merges`, otherwise those that merging rebuilds (the packer finds out by merging each). So a look-up before
//! merging never changes an id, and spares most words the merging.
//!
//! Open addressing: a token lies in one of the [`MAX_PROBES`] slots from its hash on, or the look-up misses. The packer
//! doubles the table until all tokens do; a damaged table costs wrong ids, never time.

use super::layout::NONE;
use super::sentencepiece::Stretch;
use super::tables::{Tables, Word, span, value};

/// Slots that a look-up reads at most.
pub const MAX_PROBES: usize = 64;

/// The slot where the search for `word` starts in a table of `n_slots` (a power of two): FNV-1a with 64 bits, folded.
#[must_use]
pub fn first_slot(word: &[u8], n_slots: usize) -> usize {
    first_slot_of(word.iter().copied(), n_slots)
}

fn first_slot_of(word: impl Iterator<Item = u8>, n_slots: usize) -> usize {
    let hash = word
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits select a slot")]
    let folded = (hash ^ (hash >> 32)) as usize;
    folded & n_slots.wrapping_sub(1)
}

/// The word table of a checked section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    slots: &'a [Word],
    token_starts: &'a [Word],
    token_bytes: &'a [u8],
    max_word_bytes: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(tables: &Tables<'a>) -> Self {
        Self {
            slots: tables.word_slots,
            token_starts: tables.token_starts,
            token_bytes: tables.token_bytes,
            max_word_bytes: tables.header.max_word_bytes as usize,
        }
    }

    /// The token that `word` becomes unmerged, if there is one.
    pub(super) fn get(&self, word: &[u8]) -> Option<u32> {
        if self.slots.is_empty() || word.len() > self.max_word_bytes {
            return None;
        }
        self.find(first_slot(word, self.slots.len()), |token| token == word)
    }

    /// The token that a word of a SentencePiece vocabulary becomes unmerged, if there is one.
    pub(super) fn get_stretch(&self, word: Stretch<'_>) -> Option<u32> {
        // Marks are three bytes of text and one of a token.
        if self.slots.is_empty() || word.text.len() / 3 > self.max_word_bytes {
            return None;
        }
        let first = first_slot_of(word.bytes(), self.slots.len());
        self.find(first, |token| token.iter().copied().eq(word.bytes()))
    }

    fn find(&self, first: usize, is_word: impl Fn(&[u8]) -> bool) -> Option<u32> {
        (first..first + MAX_PROBES)
            .map(|slot| value(self.slots[slot & (self.slots.len() - 1)]))
            .take_while(|id| *id != NONE)
            .find(|id| is_word(span(self.token_starts, self.token_bytes, *id as usize)))
    }
}
