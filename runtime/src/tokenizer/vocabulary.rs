//! The checked tokenizer: what each id is

use super::added::{AddedTokens, is_special};
use super::bpe::Merges;
use super::decode::StreamDecoder;
use super::error::TokenizerError;
use super::layout::ADDED_SECOND_PASS;
use super::split::Split;
use super::tables::{Tables, span, value};
use super::words::Words;

/// A tokenizer over the tables of a model file, borrowed. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Tokenizer<'a> {
    tables: Tables<'a>,
    pub(super) split: Split,
    pub(super) merges: Merges<'a>,
    pub(super) words: Words<'a>,
    pub(super) first_pass: AddedTokens<'a>,
    pub(super) second_pass: AddedTokens<'a>,
}

impl<'a> Tokenizer<'a> {
    /// Checks a TOKENIZER section, every table of it.
    ///
    /// After `Ok` no text and no id can panic, loop or read outside the section, whatever the tables say. Allocates: no.
    /// Time: one pass over the section. Any alignment will do.
    ///
    /// # Errors
    /// Rejections T1 to T13 of `FORMAT.md`.
    pub fn parse(section: &'a [u8]) -> Result<Self, TokenizerError> {
        let tables = Tables::parse(section)?;
        Ok(Self {
            tables,
            split: tables.header.split,
            merges: Merges::new(&tables),
            words: Words::new(&tables),
            first_pass: AddedTokens::new(&tables, 0),
            second_pass: AddedTokens::new(&tables, ADDED_SECOND_PASS),
        })
    }

    /// Number of token ids: one more than the largest. A model's table of embeddings may be longer.
    #[must_use]
    pub const fn vocab_size(&self) -> u32 {
        self.tables.header.n_tokens
    }

    /// The bytes that `id` decodes to, perhaps part of a character; `None` outside the vocabulary. Empty for an id that
    /// the vocabulary leaves out.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> Option<&'a [u8]> {
        (id < self.vocab_size()).then(|| span(self.tables.token_starts, self.tables.token_bytes, id as usize))
    }

    /// Whether `id` is a special token, which decoding may skip.
    #[must_use]
    pub fn is_special(&self, id: u32) -> bool {
        id < self.vocab_size() && is_special(self.tables.special_bits, id)
    }

    /// The special token that is written `text`.
    #[must_use]
    pub fn special_id(&self, text: &[u8]) -> Option<u32> {
        self.first_pass.find(text).filter(|id| self.is_special(*id))
    }

    /// What the post-processor puts before a text (Llama 3: begin of text).
    pub fn prefix_ids(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.tables.prefix_ids.iter().map(|id| value(*id))
    }

    /// What the post-processor puts after a text.
    pub fn suffix_ids(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.tables.suffix_ids.iter().map(|id| value(*id))
    }

    /// Decodes `ids` and gives the text to `out` in pieces; ids outside the vocabulary are passed over.
    ///
    /// Together the pieces are the lossy UTF-8 text of all bytes ([`StreamDecoder`]). Allocates: no.
    pub fn decode(&self, ids: &[u32], skip_special: bool, out: &mut dyn FnMut(&str)) {
        let mut decoder = StreamDecoder::new();
        for &id in ids {
            if !(skip_special && self.is_special(id)) {
                decoder.push(self.token_bytes(id).unwrap_or_default(), out);
            }
        }
        decoder.finish(out);
    }
}
