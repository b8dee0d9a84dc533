//! How a SentencePiece vocabulary sees text: where a space is put in front, where words end
//!
//! SentencePiece writes a space as the mark U+2581 and usually puts one before a text. Here a mark is a space: both
//! characters read as the same one, in text and in the vocabulary, so that tokens lie in the file as they are decoded.
//! Pieces merge as characters by rank (`bpe`); a character that is no piece becomes the tokens of its bytes,
//! or the unknown token.
//!
//! The settings describe the pipelines of `tokenizer.json` files: normalizer `Prepend` and `Replace`, or pre-tokenizer
//! `Metaspace`. No Unicode normalisation.

mod encode;
mod stretch;

pub use stretch::MARK;
pub(super) use stretch::Stretch;

use super::error::TokenizerError;

/// Where a space is put in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Nowhere.
    Never,
    /// Before the text, unless it starts with an added token.
    TextStart,
    /// Before each stretch of text between added tokens.
    EveryStretch,
}

/// Where a stretch of text is cut into words that are merged apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordStart {
    /// Nowhere: a stretch is one word.
    Nowhere,
    /// At a space after another character. Ids are those of the whole stretch where no merge joins such neighbours.
    SpaceAfterText,
    /// At every space.
    EverySpace,
}

/// What decoding leaves out at the start of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leading {
    /// Nothing.
    Keep,
    /// One space.
    OneSpace,
    /// Every space of the first token.
    SpacesOfFirstToken,
}

/// What stands before a text that is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing: the text is the beginning. Ids that the post-processor puts there do not count.
    Nothing,
    /// An added token, such as the one that ends a turn.
    Token,
    /// Text: nothing is put between.
    Text,
}

/// The settings of a SentencePiece vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentencePiece {
    /// Where a space is put in front.
    pub prefix: Prefix,
    /// Whether no space is put before text that starts with one.
    pub prefix_spares_spaces: bool,
    /// Whether the space is in place, and marks read as spaces, when added tokens of the second pass are looked for.
    pub second_pass_sees_prefix: bool,
    /// Where words start.
    pub word_start: WordStart,
    /// Whether unknown characters in a row are one unknown token.
    pub fuses_unknown: bool,
    /// What decoding leaves out at the start.
    pub leading: Leading,
    /// The unknown token; without one, a character that has neither piece nor bytes is dropped.
    pub unknown_id: Option<u32>,
}

impl SentencePiece {
    /// Reads the settings word and the unknown id of the header.
    ///
    /// # Errors
    /// Rejection T14 of `FORMAT.md`.
    pub(super) fn from_words(settings: u32, unknown_id: Option<u32>) -> Result<Self, TokenizerError> {
        let undefined = Err(TokenizerError::UnknownSetting { found: settings });
        let prefix = match settings & 3 {
            0 => Prefix::Never,
            1 => Prefix::TextStart,
            2 => Prefix::EveryStretch,
            _ => return undefined,
        };
        let word_start = match settings >> 4 & 3 {
            0 => WordStart::Nowhere,
            1 => WordStart::SpaceAfterText,
            2 => WordStart::EverySpace,
            _ => return undefined,
        };
        let leading = match settings >> 7 & 3 {
            0 => Leading::Keep,
            1 => Leading::OneSpace,
            2 => Leading::SpacesOfFirstToken,
            _ => return undefined,
        };
        if settings >> 9 != 0 {
            return undefined;
        }
        Ok(Self {
            prefix,
            prefix_spares_spaces: settings & 1 << 2 != 0,
            second_pass_sees_prefix: settings & 1 << 3 != 0,
            word_start,
            fuses_unknown: settings & 1 << 6 != 0,
            leading,
            unknown_id,
        })
    }

    /// The settings word of the header.
    pub(super) fn settings_word(self) -> u32 {
        let prefix = match self.prefix {
            Prefix::Never => 0,
            Prefix::TextStart => 1,
            Prefix::EveryStretch => 2,
        };
        let word_start = match self.word_start {
            WordStart::Nowhere => 0,
            WordStart::SpaceAfterText => 1,
            WordStart::EverySpace => 2,
        };
        let leading = match self.leading {
            Leading::Keep => 0,
            Leading::OneSpace => 1,
            Leading::SpacesOfFirstToken => 2,
        };
        prefix
            | u32::from(self.prefix_spares_spaces) << 2
            | u32::from(self.second_pass_sees_prefix) << 3
            | word_start << 4
            | u32::from(self.fuses_unknown) << 6
            | leading << 7
    }

    /// `text` with the space in front that belongs there, `before` it being what it is.
    pub(super) fn stretch(self, text: &str, before: Before) -> Stretch<'_> {
        let is_due = match self.prefix {
            Prefix::Never => false,
            Prefix::TextStart => before == Before::Nothing,
            Prefix::EveryStretch => before != Before::Text,
        };
        let is_spared = self.prefix_spares_spaces && text.starts_with([' ', MARK]);
        Stretch { has_prefix: is_due && !is_spared && !text.is_empty(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::{Before, Leading, Prefix, SentencePiece, WordStart};

    #[test]
    fn every_defined_settings_word_comes_back_and_no_other_is_read() {
        let mut n_defined = 0;
        for settings in 0..1 << 10 {
            if let Ok(read) = SentencePiece::from_words(settings, None) {
                assert_eq!(read.settings_word(), settings);
                n_defined += 1;
            }
        }
        assert_eq!(n_defined, 3 * 3 * 3 * 8);
        assert!(SentencePiece::from_words(1 << 31, None).is_err());
    }

    #[test]
    fn a_space_is_put_in_front_where_the_scheme_wants_it() {
        let scheme = |prefix, prefix_spares_spaces| SentencePiece {
            prefix,
            prefix_spares_spaces,
            second_pass_sees_prefix: false,
            word_start: WordStart::Nowhere,
            fuses_unknown: false,
            leading: Leading::Keep,
            unknown_id: None,
        };
        let cases = [
            (Prefix::Never, false, "a", [false, false, false]),
            (Prefix::TextStart, false, " a", [true, false, false]),
            (Prefix::TextStart, true, "a", [true, false, false]),
            (Prefix::TextStart, true, "▁a", [false, false, false]),
            (Prefix::EveryStretch, false, " a", [true, true, false]),
            (Prefix::EveryStretch, true, " a", [false, false, false]),
            (Prefix::EveryStretch, false, "", [false, false, false]),
        ];
        for (prefix, spares, text, expected) in cases {
            let found = [Before::Nothing, Before::Token, Before::Text]
                .map(|before| scheme(prefix, spares).stretch(text, before).has_prefix);
            assert_eq!(found, expected, "{prefix:?} {spares} {text:?}");
        }
    }
}
