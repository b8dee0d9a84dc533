//! Texts that make naive merging quadratic

use core::time::Duration;
use std::time::Instant;

use ternlet_runtime::{EncodeError, Specials, Tokenizer};

use super::support::{encode, golden_section};

/// A second on a host; an emulated core is about ten times slower. Quadratic merging takes minutes on both.
const LIMIT: Duration = Duration::from_secs(if cfg!(target_arch = "aarch64") { 10 } else { 1 });

#[test]
fn a_single_word_of_200_kb_encodes_in_under_a_second() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let words = ["a".repeat(200_000), "the".repeat(66_667), " ".repeat(200_000), "你".repeat(66_667)];
    for word in words {
        let start = Instant::now();
        let ids = encode(&tokenizer, &word, Specials::AsText);
        assert!(start.elapsed() < LIMIT, "{:?} for {} ids", start.elapsed(), ids.len());
    }
}

#[test]
fn beginnings_of_special_tokens_cost_linear_time() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let start = Instant::now();
    encode(&tokenizer, &"<|reserved_special_token_".repeat(8000), Specials::Recognise);
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn a_word_beyond_the_scratch_is_a_typed_error_with_the_need() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let text = "q".repeat(100);
    let mut scratch = vec![0; Tokenizer::scratch_len(99)];
    let error = tokenizer.encode(&text, Specials::AsText, &mut scratch, &mut |_| Ok(()));
    assert_eq!(
        error,
        Err(EncodeError::ScratchTooSmall {
            need_bytes: Tokenizer::scratch_bytes(100),
            have_bytes: Tokenizer::scratch_bytes(99),
        })
    );
    let mut scratch = vec![0; Tokenizer::scratch_len(100)];
    assert_eq!(tokenizer.encode(&text, Specials::AsText, &mut scratch, &mut |_| Ok(())), Ok(()));
    let full =
        tokenizer.encode(&text, Specials::AsText, &mut scratch, &mut |_| Err(ternlet_runtime::SinkFull));
    assert_eq!(full, Err(EncodeError::SinkFull));
}
