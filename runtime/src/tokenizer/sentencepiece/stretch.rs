//! A stretch of text as the vocabulary sees it: perhaps with a space in front, marks read as spaces
//!
//! Nothing is copied: bytes and characters are translated as they are read.

use super::WordStart;

/// What SentencePiece writes for a space: U+2581, lower one eighth block.
pub const MARK: char = '\u{2581}';
const MARK_BYTES: [u8; 3] = [0xe2, 0x96, 0x81];

/// Text, and whether a space is put before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch<'t> {
    pub(crate) has_prefix: bool,
    pub(crate) text: &'t str,
}

impl<'t> Stretch<'t> {
    pub(crate) fn is_empty(self) -> bool {
        !self.has_prefix && self.text.is_empty()
    }

    /// The characters that the vocabulary sees.
    pub(crate) fn chars(self) -> impl Iterator<Item = char> + use<'t> {
        let prefix = self.has_prefix.then_some(' ');
        prefix.into_iter().chain(self.text.chars().map(|c| if c == MARK { ' ' } else { c }))
    }

    /// The bytes that the vocabulary sees.
    pub(crate) fn bytes(self) -> Bytes<'t> {
        Bytes { has_prefix: self.has_prefix, rest: self.text.as_bytes() }
    }

    /// What follows the first character that the vocabulary sees.
    pub(crate) fn after_first(self) -> Self {
        let mut rest = self.text.chars();
        if !self.has_prefix {
            rest.next();
        }
        Self { has_prefix: false, text: rest.as_str() }
    }

    /// What comes before `tail`, which is the end of this stretch.
    pub(crate) fn before(self, tail: Self) -> Self {
        let bytes = self.text.len() - tail.text.len();
        Self { has_prefix: self.has_prefix && !tail.has_prefix, text: &self.text[..bytes] }
    }

    /// What follows the first `n` bytes that the vocabulary sees: whole characters.
    pub(crate) fn after(self, n: usize) -> Self {
        let mut bytes = self.bytes();
        bytes.by_ref().take(n).for_each(drop);
        let start = self.text.len() - bytes.rest.len();
        Self { has_prefix: bytes.has_prefix, text: self.text.get(start..).unwrap_or_default() }
    }

    /// The first word, empty only at the end, and what follows.
    pub(crate) fn split_word(self, word_start: WordStart) -> (Self, Self) {
        // Whether the character before is a space; there is none before the first.
        let mut is_after_space = self.has_prefix;
        let mut has_before = self.has_prefix;
        let end = self.text.char_indices().find_map(|(at, c)| {
            let is_space = c == ' ' || c == MARK;
            let is_start = match word_start {
                WordStart::Nowhere => false,
                WordStart::SpaceAfterText => is_space && !is_after_space,
                WordStart::EverySpace => is_space,
            };
            let is_cut = is_start && has_before;
            (is_after_space, has_before) = (is_space, true);
            is_cut.then_some(at)
        });
        let (word, rest) = self.text.split_at(end.unwrap_or(self.text.len()));
        (Self { has_prefix: self.has_prefix, text: word }, Self { has_prefix: false, text: rest })
    }
}

/// Iterator over the bytes of a stretch.
#[derive(Debug, Clone)]
pub(crate) struct Bytes<'t> {
    has_prefix: bool,
    rest: &'t [u8],
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if core::mem::take(&mut self.has_prefix) {
            return Some(b' ');
        }
        let (&first, rest) = self.rest.split_first()?;
        if first == MARK_BYTES[0]
            && let Some(rest) = self.rest.strip_prefix(&MARK_BYTES)
        {
            self.rest = rest;
            return Some(b' ');
        }
        self.rest = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::{Stretch, WordStart};
    use std::{string::String, vec::Vec};

    fn words(text: &str, has_prefix: bool, word_start: WordStart) -> Vec<String> {
        let mut rest = Stretch { has_prefix, text };
        let mut words = Vec::new();
        while !rest.is_empty() {
            let (word, after) = rest.split_word(word_start);
            words.push(word.chars().collect());
            rest = after;
        }
        words
    }

    #[test]
    fn words_tile_the_stretch() {
        let cases: [(&str, bool, WordStart, &[&str]); 8] = [
            ("a  b▁c ", true, WordStart::Nowhere, &[" a  b c "]),
            ("a  b▁c ", true, WordStart::SpaceAfterText, &[" a", "  b", " c", " "]),
            ("a  b▁c ", true, WordStart::EverySpace, &[" a", " ", " b", " c", " "]),
            (" a", true, WordStart::SpaceAfterText, &["  a"]),
            (" a", true, WordStart::EverySpace, &[" ", " a"]),
            (" a", false, WordStart::EverySpace, &[" a"]),
            ("", true, WordStart::EverySpace, &[" "]),
            ("", false, WordStart::SpaceAfterText, &[]),
        ];
        for (text, has_prefix, word_start, expected) in cases {
            assert_eq!(words(text, has_prefix, word_start), expected, "{text:?} {word_start:?}");
        }
    }

    #[test]
    fn bytes_and_characters_are_the_same_text() {
        let stretch = Stretch { has_prefix: true, text: "▁é ▂" };
        let bytes: Vec<u8> = stretch.bytes().collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), "  é ▂");
        assert_eq!(stretch.chars().collect::<String>(), "  é ▂");
        assert_eq!(stretch.after(0), stretch);
        assert_eq!(stretch.after(2), Stretch { has_prefix: false, text: "é ▂" });
        let tail = stretch.after_first().after_first();
        assert_eq!(tail, stretch.after(2));
        assert_eq!(stretch.before(tail), Stretch { has_prefix: true, text: "▁" });
        assert!(stretch.before(stretch).is_empty());
    }
}
