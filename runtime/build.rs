//! Generates the Unicode tables of the tokenizers
//!
//! Four bits for every code point. The low two say whether it is a letter (`\p{L}`), a number (`\p{N}`), white space
//! (`\s`) or neither, and bit 2 whether it is a word character (`\w`), in the Unicode version of `regex-syntax` (16.0, as
//! in the regex engines of the `tokenizers` crate; a test compares all code points). Bit 3 is that crate's punctuation,
//! whose Unicode version is the older one of `unicode_categories`. Two stages: `BLOCK_OF` maps a block of 256 code points
//! to one of the distinct `BLOCKS`.

use core::fmt::Write as _;
use std::{env, fs, path::PathBuf};

use regex_syntax::hir::{Class, HirKind};
use unicode_categories::UnicodeCategories as _;

const BLOCK: usize = 256;
const N_CODE_POINTS: usize = 0x11_0000;
const WORD: u8 = 4;
const PUNCTUATION: u8 = 8;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut classes = vec![0u8; N_CODE_POINTS];
    for (class, pattern) in [(1, r"\p{L}"), (2, r"\p{N}"), (3, r"\s")] {
        mark(&mut classes, class, pattern);
    }
    mark(&mut classes, WORD, r"\w");
    for c in ('\0'..=char::MAX).filter(|c| c.is_ascii_punctuation() || c.is_punctuation()) {
        classes[c as usize] |= PUNCTUATION;
    }

    let mut blocks: Vec<[u8; BLOCK / 2]> = Vec::new();
    let mut block_of = Vec::new();
    for code_points in classes.chunks(BLOCK) {
        let mut block = [0u8; BLOCK / 2];
        for (i, class) in code_points.iter().enumerate() {
            block[i / 2] |= class << (i % 2 * 4);
        }
        let index = blocks.iter().position(|b| *b == block).unwrap_or_else(|| {
            blocks.push(block);
            blocks.len() - 1
        });
        block_of.push(u8::try_from(index).expect("under 256 distinct blocks"));
    }

    let mut source = String::new();
    writeln!(source, "static BLOCK_OF: [u8; {}] = {block_of:?};", block_of.len()).expect("a string grows");
    writeln!(source, "static BLOCKS: [[u8; {}]; {}] = {blocks:?};", BLOCK / 2, blocks.len())
        .expect("a string grows");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("unicode_classes.rs"), source).expect("OUT_DIR is writable");
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
