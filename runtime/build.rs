//! Generates the Unicode class table of the pre-tokenizers
//!
//! Every code point is a letter (`\p{L}`), a number (`\p{N}`), white space (`\s`) or neither, in the Unicode version of
//! `regex-syntax` (16.0, as in the regex engines of the `tokenizers` crate; a test compares all code points). Two
//! stages: `BLOCK_OF` maps a block of 256 code points to one of the distinct `BLOCKS` of 2-bit classes.

use core::fmt::Write as _;
use std::{env, fs, path::PathBuf};

use regex_syntax::hir::{Class, HirKind};

const BLOCK: usize = 256;
const N_CODE_POINTS: usize = 0x11_0000;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut classes = vec![0u8; N_CODE_POINTS];
    for (class, pattern) in [(1, r"\p{L}"), (2, r"\p{N}"), (3, r"\s")] {
        mark(&mut classes, class, pattern);
    }

    let mut blocks: Vec<[u8; BLOCK / 4]> = Vec::new();
    let mut block_of = Vec::new();
    for code_points in classes.chunks(BLOCK) {
        let mut block = [0u8; BLOCK / 4];
        for (i, class) in code_points.iter().enumerate() {
            block[i / 4] |= class << (i % 4 * 2);
        }
        let index = blocks.iter().position(|b| *b == block).unwrap_or_else(|| {
            blocks.push(block);
            blocks.len() - 1
        });
        block_of.push(u8::try_from(index).expect("under 256 distinct blocks"));
    }

    let mut source = String::new();
    writeln!(source, "const BLOCK_OF: [u8; {}] = {block_of:?};", block_of.len()).expect("a string grows");
    writeln!(source, "const BLOCKS: [[u8; {}]; {}] = {blocks:?};", BLOCK / 4, blocks.len())
        .expect("a string grows");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("unicode_classes.rs"), source).expect("OUT_DIR is writable");
}

/// Sets `class` for every code point that the one-character `pattern` matches.
fn mark(classes: &mut [u8], class: u8, pattern: &str) {
    let hir = regex_syntax::Parser::new().parse(pattern).expect("a valid pattern");
    let HirKind::Class(Class::Unicode(ranges)) = hir.kind() else {
        panic!("{pattern} is a class of characters")
    };
    for range in ranges.ranges() {
        classes[range.start() as usize..=range.end() as usize].fill(class);
    }
}
