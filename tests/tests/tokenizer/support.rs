//! What the tokenizer's tests share

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use ternlet::import::{tokenizer_file, tokenizer_json};
use ternlet_runtime::tokenizer::nfc;
use ternlet_runtime::{Specials, Tokenizer};

/// A file of the golden tokenizer.
pub(crate) fn golden_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizer_llama3_like").join(name)
}

/// The TOKENIZER section of the golden tokenizer.
pub(crate) fn golden_section() -> Vec<u8> {
    tokenizer_file::read_file(&golden_file("tokenizer.json")).expect("a supported tokenizer")
}

/// The golden tokenizer as JSON, to be changed.
pub(crate) fn golden_json() -> Value {
    let json = std::fs::read(golden_file("tokenizer.json")).expect("a file of the repository");
    serde_json::from_slice(&json).expect("JSON")
}

/// `tokenizer` with the normaliser NFC.
pub(crate) fn with_nfc(mut tokenizer: Value) -> Value {
    tokenizer["normalizer"] = json!({"type": "NFC"});
    tokenizer
}

/// The TOKENIZER section of a tokenizer in JSON.
pub(crate) fn section_of(tokenizer: &Value) -> Vec<u8> {
    let vocabulary = tokenizer_json::read(tokenizer.to_string().as_bytes());
    vocabulary.and_then(|vocabulary| vocabulary.section()).expect("a supported tokenizer")
}

/// Runs `check` on `cases` values, as many as fit the test command; a fixed seed makes failures repeatable.
///
/// `TERNLET_RANDOM_TEXTS` sets another number: 100000 in a release build take some minutes.
pub(crate) fn random<S: Strategy>(
    cases: u32,
    strategy: &S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let by_hand = std::env::var("TERNLET_RANDOM_TEXTS").ok();
    let cases = by_hand.map_or(cases, |n| n.parse().expect("a number of texts"));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(strategy, check).expect("no difference");
}

/// The ids of `text`.
pub(crate) fn encode(tokenizer: &Tokenizer<'_>, text: &str, specials: Specials) -> Vec<u32> {
    let mut scratch = vec![0; Tokenizer::scratch_len(nfc::MAX_EXPANSION * text.len())];
    let mut ids = Vec::new();
    let mut push = |id| {
        ids.push(id);
        Ok(())
    };
    tokenizer.encode(text, specials, &mut scratch, &mut push).expect("scratch for the longest word");
    ids
}

/// The text of `ids`.
pub(crate) fn decode(tokenizer: &Tokenizer<'_>, ids: &[u32], skip_special: bool) -> String {
    let mut text = String::new();
    tokenizer.decode(ids, skip_special, &mut |piece| text.push_str(piece));
    text
}
