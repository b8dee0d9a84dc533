//! Text to token ids

use super::added::Piece;
use super::bpe;
use super::error::EncodeError;
use super::sentencepiece::{Before, Stretch};
use super::split::Split;
use super::vocabulary::{Alphabet, Tokenizer};

/// What special tokens are when they are written in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specials {
    /// Ordinary text, for what users type: `<|eot_id|>` is ten characters.
    AsText,
    /// Tokens.
    Recognise,
}

/// The sink of [`Tokenizer::encode`] has no room for another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkFull;

impl Tokenizer<'_> {
    /// Bytes of scratch that [`Tokenizer::encode`] needs for any text of up to `max_prompt_bytes`: 28 per byte, and 28.
    ///
    /// The worst case, a text that is a single word; a text whose longest word is shorter needs less.
    #[must_use]
    pub const fn scratch_bytes(max_prompt_bytes: usize) -> usize {
        Self::scratch_len(max_prompt_bytes).saturating_mul(size_of::<u32>())
    }

    /// [`Tokenizer::scratch_bytes`] counted in u32, the unit that the scratch is given in.
    #[must_use]
    pub const fn scratch_len(max_prompt_bytes: usize) -> usize {
        bpe::scratch_len(max_prompt_bytes)
    }

    /// Encodes `text` and gives the ids to `out` in order; the post-processor's ids are the caller's to add
    /// ([`Tokenizer::prefix_ids`], [`Tokenizer::suffix_ids`]).
    ///
    /// | arg | meaning |
    /// |---|---|
    /// | `text` | any length, any characters |
    /// | `specials` | whether special tokens written in the text are tokens |
    /// | `scratch` | [`Tokenizer::scratch_len`] of the longest word; contents do not matter |
    /// | `out` | takes one id after the other, or says that it is full |
    ///
    /// Allocates: no. Time: O(n log n) in the bytes of `text`. Ids equal those of the `tokenizers` crate.
    ///
    /// # Errors
    /// [`EncodeError::ScratchTooSmall`] at a word that is too long, [`EncodeError::SinkFull`] when `out` says so; the
    /// ids before have been given out.
    pub fn encode(
        &self,
        text: &str,
        specials: Specials,
        scratch: &mut [u32],
        out: &mut dyn FnMut(u32) -> Result<(), SinkFull>,
    ) -> Result<(), EncodeError> {
        self.encode_after(Before::Nothing, text, specials, scratch, out)
    }

    /// [`Tokenizer::encode`] for a part of a longer text, with `before` in front of it.
    ///
    /// It matters to vocabularies that put a space before a text, and only to them. Other tokens than those of the whole
    /// may come out where text was cut from text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_after(
        &self,
        mut before: Before,
        text: &str,
        specials: Specials,
        scratch: &mut [u32],
        out: &mut dyn FnMut(u32) -> Result<(), SinkFull>,
    ) -> Result<(), EncodeError> {
        let mut out = |id| out(id).map_err(|SinkFull| EncodeError::SinkFull);
        for piece in self.first_pass.pieces(text, specials) {
            let text = match piece {
                Piece::Token(id) => {
                    out(id)?;
                    before = Before::Token;
                    continue;
                }
                Piece::Text(text) => text,
            };
            let split = match &self.alphabet {
                Alphabet::Bytes(split) => *split,
                Alphabet::Characters(characters) => {
                    self.encode_pieces(characters, text, before, specials, scratch, &mut out)?;
                    continue;
                }
            };
            for piece in self.second_pass.pieces(text, specials) {
                match piece {
                    Piece::Token(id) => out(id)?,
                    Piece::Text(text) => self.encode_words(split, text, scratch, &mut out)?,
                }
            }
        }
        Ok(())
    }

    /// Merges the bytes (SentencePiece: characters) of one word, without splitting it, recognising tokens in it or looking it up.
    ///
    /// What the packer builds the word table with. Scratch, `out` and errors as in [`Tokenizer::encode`].
    ///
    /// # Errors
    /// As [`Tokenizer::encode`]; nothing has been given out if the scratch is too small.
    pub fn merge_word(
        &self,
        word: &[u8],
        scratch: &mut [u32],
        out: &mut dyn FnMut(u32) -> Result<(), SinkFull>,
    ) -> Result<(), EncodeError> {
        let mut out = |id| out(id).map_err(|SinkFull| EncodeError::SinkFull);
        match &self.alphabet {
            Alphabet::Bytes(_) => bpe::encode_word(word, &self.merges, scratch, &mut out),
            // No token of characters is other than UTF-8.
            Alphabet::Characters(characters) => str::from_utf8(word).map_or(Ok(()), |text| {
                let word = Stretch { has_prefix: false, text };
                bpe::encode_characters(word, characters, &self.merges, scratch, &mut out)
            }),
        }
    }

    /// Splits `text` into words and encodes each by itself.
    fn encode_words(
        &self,
        split: Split,
        text: &str,
        scratch: &mut [u32],
        out: &mut dyn FnMut(u32) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        for word in split.words(text) {
            match self.words.get(word) {
                Some(id) => out(id)?,
                None => bpe::encode_word(word, &self.merges, scratch, out)?,
            }
        }
        Ok(())
    }
}
