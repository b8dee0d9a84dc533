//! The checked tokenizer: what each id is

use super::added::{AddedTokens, is_special};
use super::bpe::{Characters, Merges};
use super::decode::{StreamDecoder, is_utf8};
use super::error::TokenizerError;
use super::layout::{ADDED_SECOND_PASS, Kind, Normaliser};
use super::sentencepiece::{Before, Leading, SentencePiece};
use super::split::Split;
use super::tables::{Tables, span, value};
use super::words::Words;

/// What words are made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alphabet<'a> {
    /// Bytes, of normalised text in the words of a pre-tokenizer.
    Bytes(Normaliser, Split),
    /// Characters of a SentencePiece vocabulary.
    Characters(Characters<'a>),
}

/// A tokenizer over the tables of a model file, borrowed. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Tokenizer<'a> {
    tables: Tables<'a>,
    pub(super) alphabet: Alphabet<'a>,
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
    /// Rejections T1 to T16 of `FORMAT.md`.
    pub fn parse(section: &'a [u8]) -> Result<Self, TokenizerError> {
        let tables = Tables::parse(section)?;
        Ok(Self {
            tables,
            alphabet: match tables.header.kind {
                Kind::ByteLevel(normaliser, split) => Alphabet::Bytes(normaliser, split),
                Kind::SentencePiece(settings) => Alphabet::Characters(Characters::new(&tables, settings)),
            },
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
        let settings = self.settings();
        let found = self.first_pass.find(text.iter().copied()).or_else(|| {
            // Tokens of the second pass lie in the table as they are looked for.
            let settings = settings.filter(|settings| settings.second_pass_sees_prefix)?;
            let stretch = settings.stretch(core::str::from_utf8(text).ok()?, Before::Nothing);
            self.second_pass.find(stretch.bytes())
        });
        found.filter(|id| self.is_special(*id))
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
    /// The text is that of the `tokenizers` crate. Byte-level: the lossy UTF-8 text of all bytes. SentencePiece: a run of
    /// byte tokens is text as a whole, or one U+FFFD for each byte. Allocates: no.
    pub fn decode(&self, ids: &[u32], skip_special: bool, out: &mut dyn FnMut(&str)) {
        let mut decoder = StreamDecoder::new(self);
        let has_bytes = |id| self.token_bytes(id).is_some_and(|bytes| !bytes.is_empty());
        let is_shown = |id: &u32| !(skip_special && self.is_special(*id)) && has_bytes(*id);
        let mut shown = ids.iter().copied().filter(is_shown);
        while let Some(id) = shown.next() {
            if self.fallback_byte(id).is_none() {
                decoder.push(id, out);
                continue;
            }
            let run =
                core::iter::once(id).chain(shown.clone()).map_while(|id| Some((id, self.fallback_byte(id)?)));
            let is_text = is_utf8(run.clone().map(|(_, byte)| byte));
            let mut n_bytes = 0;
            for (id, _) in run {
                n_bytes += 1;
                if is_text {
                    decoder.push(id, out);
                }
            }
            if !is_text {
                decoder.replace(n_bytes, out);
            }
            shown.by_ref().take(n_bytes - 1).for_each(drop);
        }
        decoder.finish(out);
    }

    /// The settings of a SentencePiece vocabulary.
    fn settings(&self) -> Option<SentencePiece> {
        match &self.alphabet {
            Alphabet::Bytes(..) => None,
            Alphabet::Characters(characters) => Some(characters.settings()),
        }
    }

    /// Whether some tokens stand for a byte each, and all others for whole characters.
    pub(super) fn has_byte_fallback(&self) -> bool {
        self.settings().is_some()
    }

    /// What decoding leaves out at the start of a text.
    pub(super) fn leading(&self) -> Leading {
        self.settings().map_or(Leading::Keep, |settings| settings.leading)
    }

    /// The byte that `id` stands for in a SentencePiece vocabulary (`<0x0A>`).
    pub(super) fn fallback_byte(&self, id: u32) -> Option<u8> {
        let byte = match self.token_bytes(id)? {
            [byte] if self.has_byte_fallback() => *byte,
            _ => return None,
        };
        (value(self.tables.byte_ids[usize::from(byte)]) == id).then_some(byte)
    }
}
