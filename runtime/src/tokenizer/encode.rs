//! Text to token ids

use super::added::Piece;
use super::bpe;
use super::error::EncodeError;
use super::layout::Normaliser;
use super::nfc;
use super::sentencepiece::{Before, Stretch};
use super::split::Split;
use super::vocabulary::{Alphabet, Tokenizer};
use crate::arena::bytes_mut;

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
    /// Bytes of scratch that [`Tokenizer::encode`] needs for any text of up to `max_prompt_bytes` whose normal form is no
    /// longer: 29 per byte and 28, in whole u32.
    ///
    /// One for the normal form, 28 to merge a word: the worst case, a text that is a single word. A text whose longest
    /// word is shorter needs less. With [`nfc::MAX_EXPANSION`] times the bytes this serves every text; only a few rare
    /// characters have a normal form that is longer than they are.
    #[must_use]
    pub const fn scratch_bytes(max_prompt_bytes: usize) -> usize {
        Self::scratch_len(max_prompt_bytes).saturating_mul(size_of::<u32>())
    }

    /// [`Tokenizer::scratch_bytes`] counted in u32, the unit that the scratch is given in.
    #[must_use]
    pub const fn scratch_len(max_prompt_bytes: usize) -> usize {
        bpe::scratch_len(max_prompt_bytes).saturating_add(max_prompt_bytes.div_ceil(size_of::<u32>()))
    }

    /// Encodes `text` and gives the ids to `out` in order; the post-processor's ids are the caller's to add
    /// ([`Tokenizer::prefix_ids`], [`Tokenizer::suffix_ids`]).
    ///
    /// | arg | meaning |
    /// |---|---|
    /// | `text` | any length, any characters |
    /// | `specials` | whether special tokens written in the text are tokens |
    /// | `scratch` | [`Tokenizer::scratch_len`] of the text's bytes; contents do not matter |
    /// | `out` | takes one id after the other, or says that it is full |
    ///
    /// Allocates: no. Time: O(n log n) in the bytes of `text`. Ids equal those of the `tokenizers` crate.
    ///
    /// # Errors
    /// [`EncodeError::ScratchTooSmall`] at a word, or a stretch to be normalised, that is too long,
    /// [`EncodeError::SinkFull`] when `out` says so; the ids before have been given out.
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
            let (normaliser, split) = match &self.alphabet {
                Alphabet::Bytes(normaliser, split) => (*normaliser, *split),
                Alphabet::Characters(characters) => {
                    self.encode_pieces(characters, text, before, specials, scratch, &mut out)?;
                    continue;
                }
            };
            let (text, scratch) = normalised(normaliser, text, scratch)?;
            for piece in self.second_pass.pieces(text, specials) {
                match piece {
                    Piece::Token(id) => out(id)?,
                    Piece::Text(text) => self.encode_words(split, text, scratch, &mut out)?,
                }
            }
        }
        Ok(())
    }

    /// Merges the bytes (SentencePiece: characters) of one word, without splitting it, recognising tokens in it or
    /// looking it up.
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
            Alphabet::Bytes(..) => bpe::encode_word(word, &self.merges, scratch, &mut out),
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

/// `text` as the normaliser makes it, and what scratch is left: all of it if nothing had to be written.
fn normalised<'s>(
    normaliser: Normaliser,
    text: &'s str,
    scratch: &'s mut [u32],
) -> Result<(&'s str, &'s mut [u32]), EncodeError> {
    if normaliser == Normaliser::None || nfc::is_normal(text) {
        return Ok((text, scratch));
    }
    let too_small = EncodeError::ScratchTooSmall {
        need_bytes: text.len().saturating_mul(nfc::MAX_EXPANSION),
        have_bytes: size_of_val(scratch),
    };
    let n = nfc::normalise(text, bytes_mut(scratch)).map_err(|nfc::BufferFull| too_small)?;
    let (text, scratch) = scratch.split_at_mut(n.div_ceil(size_of::<u32>()));
    let text = str::from_utf8(&bytes_mut(text)[..n]).map_err(|_| too_small)?;
    Ok((text, scratch))
}
