//! Canonical normalisation, in the Unicode version of the crate that `tokenizers` normalises with
//!
//! `NFC` has a byte for each code point: twice the rank of its combining class, plus 1 if it is active. Rank 0 are the
//! starters, and the classes in use rank from 1 on. Active are the characters that normalisation may change or that may
//! compose with one before. `DECOMPOSED` lists the characters with a canonical decomposition, ascending, and where the
//! full decomposition starts in `DECOMPOSITIONS`; `COMPOSED` the pairs that compose, ascending, with the result. Hangul
//! syllables are left out: they follow a formula.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization_alignments::UnicodeNormalization as _;
use unicode_normalization_alignments::char::{canonical_combining_class, compose, decompose_canonical};

use super::two_stage::{self, N_CODE_POINTS};

/// Vowels and trailing consonants that compose with what is before them.
const HANGUL_SECONDS: [core::ops::RangeInclusive<char>; 2] =
    ['\u{1161}'..='\u{1175}', '\u{11a8}'..='\u{11c2}'];
const HANGUL_SYLLABLES: core::ops::RangeInclusive<char> = '\u{ac00}'..='\u{d7a3}';

/// The source of the tables.
pub(crate) fn source() -> String {
    let decomposed: BTreeMap<char, Vec<char>> = ('\0'..=char::MAX)
        .filter(|c| !HANGUL_SYLLABLES.contains(c))
        .map(|c| (c, full_decomposition(c)))
        .filter(|(c, decomposition)| *decomposition != [*c])
        .collect();
    // A composite is the pair of what all but its last part composes to, and that part.
    let composed: BTreeMap<(char, char), char> = decomposed
        .iter()
        .filter_map(|(c, decomposition)| {
            let (last, first) = decomposition.split_last()?;
            // One character, or this is no composite of a pair.
            let mut first = first.iter().copied().nfc().map(|(c, _)| c);
            let (first, None) = (first.next()?, first.next()) else { return None };
            (compose(first, *last) == Some(*c)).then_some(((first, *last), *c))
        })
        .collect();
    let seconds: BTreeSet<char> =
        composed.keys().map(|pair| pair.1).chain(HANGUL_SECONDS.into_iter().flatten()).collect();

    let classes: BTreeSet<u8> = ('\0'..=char::MAX).map(canonical_combining_class).collect();
    let ranks: BTreeMap<u8, u8> = classes.into_iter().zip(0..).collect();
    // The runtime keeps a set of ranks in 64 bits.
    assert!(ranks.len() <= 64 && ranks[&0] == 0);
    let mut nfc = vec![0; N_CODE_POINTS];
    for c in '\0'..=char::MAX {
        let is_stable = core::iter::once(c).nfc().map(|(c, _)| c).eq([c]);
        let first = decomposed.get(&c).map_or(c, |decomposition| decomposition[0]);
        let is_active = !is_stable || seconds.contains(&c) || seconds.contains(&first);
        nfc[c as usize] = 2 * ranks[&canonical_combining_class(c)] + u8::from(is_active);
    }

    let mut source = two_stage::source("NFC_", &nfc, 1);
    let parts: Vec<char> = decomposed.values().flatten().copied().collect();
    let mut start = 0u16;
    let keys: Vec<(char, u16)> = decomposed
        .iter()
        .map(|(c, decomposition)| {
            let entry = (*c, start);
            start += u16::try_from(decomposition.len()).expect("a short decomposition");
            entry
        })
        .collect();
    let pairs: Vec<(char, char, char)> = composed.iter().map(|((a, b), c)| (*a, *b, *c)).collect();
    write_array(&mut source, "DECOMPOSED", "(char, u16)", &keys);
    write_array(&mut source, "DECOMPOSITIONS", "char", &parts);
    write_array(&mut source, "COMPOSED", "(char, char, char)", &pairs);
    source
}

fn write_array<T: core::fmt::Debug>(source: &mut String, name: &str, element: &str, values: &[T]) {
    writeln!(source, "static {name}: [{element}; {}] = {values:?};", values.len()).expect("a string grows");
}

fn full_decomposition(c: char) -> Vec<char> {
    let mut decomposition = Vec::new();
    decompose_canonical(c, |part| decomposition.push(part));
    decomposition
}
