//! From characters to the symbols that merging starts with

use super::super::layout::NONE;
use super::super::sentencepiece::{SentencePiece, Stretch};
use super::super::tables::{Pair, Tables, Word, pair_value, value};

/// Which token a character is: its own, those of its bytes, or the unknown one.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Characters<'a> {
    /// (code point, id), code points ascending.
    pairs: &'a [Pair],
    byte_ids: &'a [Word],
    settings: SentencePiece,
}

impl<'a> Characters<'a> {
    pub(in super::super) fn new(tables: &Tables<'a>, settings: SentencePiece) -> Self {
        Self { pairs: tables.characters, byte_ids: tables.byte_ids, settings }
    }

    pub(in super::super) const fn settings(&self) -> SentencePiece {
        self.settings
    }

    /// Gives `out` the tokens of the characters of `word`, at most one for each of its bytes.
    ///
    /// An unknown token waits for the next character that has a token of its own, behind bytes that come between: the
    /// order of the `tokenizers` crate, which matters only for vocabularies that lack some bytes.
    pub(super) fn symbols(&self, word: Stretch<'_>, mut out: impl FnMut(u32)) {
        let mut waiting = None;
        for c in word.chars() {
            if let Some(id) = self.character_id(c) {
                waiting.take().into_iter().for_each(&mut out);
                out(id);
                continue;
            }
            let mut utf8 = [0; 4];
            let bytes = c.encode_utf8(&mut utf8).as_bytes();
            if bytes.iter().all(|byte| self.byte_id(*byte) != NONE) {
                bytes.iter().for_each(|byte| out(self.byte_id(*byte)));
                continue;
            }
            if !self.settings.fuses_unknown {
                waiting.take().into_iter().for_each(&mut out);
            }
            waiting = self.settings.unknown_id;
        }
        waiting.into_iter().for_each(out);
    }

    fn character_id(&self, c: char) -> Option<u32> {
        let found = self.pairs.binary_search_by_key(&u32::from(c), |pair| pair_value(*pair).0).ok()?;
        Some(pair_value(self.pairs[found]).1)
    }

    fn byte_id(&self, byte: u8) -> u32 {
        value(self.byte_ids[usize::from(byte)])
    }
}
