//! Character classes: four bits for every code point
//!
//! The low two say whether it is a letter (`\p{L}`), a number (`\p{N}`), white space (`\s`) or neither, and bit 2 whether
//! it is a word character (`\w`), in the Unicode version of `regex-syntax` (16.0, as in the regex engines of the
//! `tokenizers` crate; a test compares all code points). Bit 3 is that crate's punctuation, whose Unicode version is the
//! older one of `unicode_categories`.

use regex_syntax::hir::{Class, HirKind};
use unicode_categories::UnicodeCategories as _;

use super::two_stage::{self, N_CODE_POINTS};

const WORD: u8 = 4;
const PUNCTUATION: u8 = 8;

/// The source of the table.
pub(crate) fn source() -> String {
    let mut classes = vec![0u8; N_CODE_POINTS];
    for (class, pattern) in [(1, r"\p{L}"), (2, r"\p{N}"), (3, r"\s"), (WORD, r"\w")] {
        mark(&mut classes, class, pattern);
    }
    for c in ('\0'..=char::MAX).filter(|c| c.is_ascii_punctuation() || c.is_punctuation()) {
        classes[c as usize] |= PUNCTUATION;
    }
    let packed: Vec<u8> = classes.chunks(2).map(|pair| pair[0] | pair[1] << 4).collect();
    two_stage::source("", &packed, 2)
}

/// Adds `class` to the code points that the one-character `pattern` matches.
fn mark(classes: &mut [u8], class: u8, pattern: &str) {
    let hir = regex_syntax::Parser::new().parse(pattern).expect("a valid pattern");
    let HirKind::Class(Class::Unicode(ranges)) = hir.kind() else {
        panic!("{pattern} is a class of characters")
    };
    for range in ranges.ranges() {
        for entry in &mut classes[range.start() as usize..=range.end() as usize] {
            *entry |= class;
        }
    }
}
