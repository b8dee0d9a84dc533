//! The character classes that pre-tokenizers and added tokens ask about
//!
//! `\p{L}`, `\p{N}`, `\s` and `\w` of Unicode 16.0, and the punctuation of the `tokenizers` crate, in a two-stage table
//! that `build.rs` generates: 4352 block numbers and some hundred distinct blocks of 256 four-bit entries, about 25 KB.
//! Letters, numbers and white space are disjoint; the other two properties are not tied to them.

include!(concat!(env!("OUT_DIR"), "/unicode_classes.rs"));

/// What a pre-tokenizer sees in a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Neither of the others: punctuation, symbols, marks, controls, unassigned.
    Other,
    /// `\p{L}`.
    Letter,
    /// `\p{N}`: decimal digits, letter-like and other numbers.
    Number,
    /// `\s`: the property `White_Space`.
    Space,
}

/// The class of `c`.
#[must_use]
pub const fn class(c: char) -> Class {
    match entry(c) & 3 {
        1 => Class::Letter,
        2 => Class::Number,
        3 => Class::Space,
        _ => Class::Other,
    }
}

/// Whether `c` is a word character, `\w`: alphabetic, mark, decimal digit, connector or join control.
#[must_use]
pub const fn is_word(c: char) -> bool {
    entry(c) & 4 != 0
}

/// Whether `c` is punctuation as Falcon's pre-tokenizer has it: in ASCII symbols too, elsewhere the categories P of an
/// older Unicode version.
#[must_use]
pub const fn is_punctuation(c: char) -> bool {
    entry(c) & 8 != 0
}

const fn entry(c: char) -> u8 {
    let code_point = c as usize;
    // Every char is below 0x110000, the end of `BLOCK_OF`.
    let block = &BLOCKS[BLOCK_OF[code_point >> 8] as usize];
    block[(code_point & 0xff) >> 1] >> ((code_point & 1) * 4) & 15
}

#[cfg(test)]
mod tests {
    use super::{Class, class};

    #[test]
    fn awkward_characters_have_their_regex_classes() {
        let cases = [
            (Class::Letter, "aZéſ你ªᚠ\u{3400}"),
            (Class::Number, "09²½Ⅷ٣\u{16ee}"),
            (Class::Space, " \t\n\r\u{b}\u{c}\u{85}\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{3000}"),
            (Class::Other, "!_'\0\u{200b}\u{feff}\u{180e}\u{301}👋\u{e000}\u{10ffff}"),
        ];
        for (expected, characters) in cases {
            for c in characters.chars() {
                assert_eq!(class(c), expected, "{c:?}");
            }
        }
    }
}
