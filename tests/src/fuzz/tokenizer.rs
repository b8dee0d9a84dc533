//! Target: tokenizer files
//!
//! An input is a tokenizer file of any kind, then a text. A file that is accepted must encode every text to ids of its
//! vocabulary and decode every list of them.

use ternlet::import::tokenizer_file;
use ternlet_runtime::tokenizer::nfc;
use ternlet_runtime::{Specials, Tokenizer};

use super::parts::parts;

/// Text encoded at most, in bytes.
const MAX_TEXT: usize = 512;
/// Ids decoded at most beside those of the text.
const MAX_IDS: u32 = 300;

/// Reads a tokenizer, lays out its section, encodes and decodes.
///
/// # Panics
/// A panic is a finding.
pub fn tokenizer(data: &[u8]) -> bool {
    let [file, text] = parts(data);
    let Ok(section) = tokenizer_file::section(file) else { return false };
    let tokenizer = Tokenizer::parse(&section).expect("the importer checked its own section");
    let text = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]);
    exercise(&tokenizer, &text);
    true
}

/// Uses every table of `tokenizer`.
pub(super) fn exercise(tokenizer: &Tokenizer<'_>, text: &str) {
    let mut scratch = vec![0; Tokenizer::scratch_len(nfc::MAX_EXPANSION * text.len())];
    for specials in [Specials::Recognise, Specials::AsText] {
        let mut ids = Vec::new();
        let mut push = |id| {
            ids.push(id);
            Ok(())
        };
        tokenizer.encode(text, specials, &mut scratch, &mut push).expect("scratch for the longest word");
        assert!(ids.iter().all(|id| *id < tokenizer.vocab_size()), "an id beyond the vocabulary: {ids:?}");
        tokenizer.decode(&ids, specials == Specials::AsText, &mut |_| ());
    }
    let all: Vec<u32> = (0..tokenizer.vocab_size().min(MAX_IDS)).chain([u32::MAX]).collect();
    tokenizer.decode(&all, true, &mut |_| ());
    let affixes = tokenizer.prefix_ids().chain(tokenizer.suffix_ids());
    assert!(affixes.into_iter().all(|id| id < tokenizer.vocab_size()));
}
