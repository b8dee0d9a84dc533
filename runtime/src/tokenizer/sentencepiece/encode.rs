//! Encoding the text between added tokens of the first pass

use super::super::added::Piece;
use super::super::bpe::{self, Characters};
use super::super::encode::Specials;
use super::super::error::EncodeError;
use super::super::vocabulary::Tokenizer;
use super::{Before, Stretch};

/// Where ids go.
type Out<'o> = &'o mut dyn FnMut(u32) -> Result<(), EncodeError>;

impl Tokenizer<'_> {
    /// Looks for added tokens of the second pass in `text` and encodes what lies between.
    pub(in super::super) fn encode_pieces(
        &self,
        characters: &Characters<'_>,
        text: &str,
        mut before: Before,
        specials: Specials,
        scratch: &mut [u32],
        out: Out<'_>,
    ) -> Result<(), EncodeError> {
        let settings = characters.settings();
        if settings.second_pass_sees_prefix {
            let mut rest = settings.stretch(text, before);
            while let Some((ahead, id, after)) = self.second_pass.first_in(rest, specials) {
                self.encode_stretch(characters, ahead, scratch, out)?;
                out(id)?;
                rest = after;
            }
            return self.encode_stretch(characters, rest, scratch, out);
        }
        for piece in self.second_pass.pieces(text, specials) {
            match piece {
                Piece::Token(id) => {
                    out(id)?;
                    before = Before::Token;
                }
                Piece::Text(text) => {
                    self.encode_stretch(characters, settings.stretch(text, before), scratch, out)?;
                }
            }
        }
        Ok(())
    }

    /// Cuts `stretch` into words and encodes each by itself.
    pub(in super::super) fn encode_stretch(
        &self,
        characters: &Characters<'_>,
        stretch: Stretch<'_>,
        scratch: &mut [u32],
        out: Out<'_>,
    ) -> Result<(), EncodeError> {
        let mut rest = stretch;
        while !rest.is_empty() {
            let (word, after) = rest.split_word(characters.settings().word_start);
            match self.words.get_stretch(word) {
                Some(id) => out(id)?,
                None => bpe::encode_characters(word, characters, &self.merges, scratch, out)?,
            }
            rest = after;
        }
        Ok(())
    }
}
