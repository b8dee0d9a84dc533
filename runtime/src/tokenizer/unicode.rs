//! The character classes that pre-tokenizers ask about
//!
//! `\p{L}`, `\p{N}` and `\s` of Unicode 16.0 in a two-stage table that `build.rs` generates: 4352 block numbers and some
//! hundred distinct blocks of 256 two-bit classes, about 13 KB. The three classes are disjoint.

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
    let code_point = c as usize;
    // Every char is below 0x110000, the end of `BLOCK_OF`.
    let block = &BLOCKS[BLOCK_OF[code_point >> 8] as usize];
    match block[(code_point & 0xff) >> 2] >> ((code_point & 3) * 2) & 3 {
        1 => Class::Letter,
        2 => Class::Number,
        3 => Class::Space,
        _ => Class::Other,
    }
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
