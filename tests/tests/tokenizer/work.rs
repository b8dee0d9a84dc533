//! Texts that make naive merging quadratic

use core::time::Duration;
use std::time::Instant;

use ternlet_runtime::{EncodeError, Specials, Tokenizer};

use serde_json::json;

use super::support::{encode, golden_json, golden_section, section_of, with_nfc};

/// A second on a host; an emulated core is about ten times slower. Quadratic merging takes minutes on both.
const LIMIT: Duration = Duration::from_secs(if cfg!(target_arch = "aarch64") { 10 } else { 1 });

/// Asserts that `text` encodes within the limit: in one of three tries, since other programs may hold the machine.
#[track_caller]
pub(crate) fn assert_quick(tokenizer: &Tokenizer<'_>, text: &str, specials: Specials) {
    let mut took = (0..3).map(|_| {
        let start = Instant::now();
        encode(tokenizer, text, specials);
        start.elapsed()
    });
    assert!(took.any(|took| took < LIMIT), "over {LIMIT:?} in each of three tries");
}

#[test]
fn a_single_word_of_200_kb_encodes_in_under_a_second() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let words = ["a".repeat(200_000), "the".repeat(66_667), " ".repeat(200_000), "你".repeat(66_667)];
    for word in words {
        assert_quick(&tokenizer, &word, Specials::AsText);
    }
}

#[test]
fn marks_in_any_order_normalise_in_linear_time() {
    let section = section_of(&with_nfc(golden_json()));
    let tokenizer = Tokenizer::parse(&section).unwrap();
    // Marks of 16 classes against their order, marks that compose with the starter far in front, jamo.
    let mixed: String = (0..100_000u32)
        .filter_map(|i| {
            char::from_u32([0x345, 0x301, 0x35c, 0x316, 0x31b, 0x327, 0x5b4, 0x5b0][i as usize % 8])
        })
        .collect();
    let texts =
        [format!("e{mixed}"), format!("α{}\u{345}", "\u{316}".repeat(100_000)), "\u{1161}".repeat(66_667)];
    for text in texts {
        assert_quick(&tokenizer, &text, Specials::AsText);
    }
}

#[test]
fn white_space_between_stripping_tokens_is_walked_once() {
    let mut json = golden_json();
    json["added_tokens"] = json!([
        {"id": 2038, "content": " ", "rstrip": true, "lstrip": true},
        {"id": 2039, "content": "\n", "rstrip": true}
    ]);
    json["post_processor"] = json!(null);
    let section = section_of(&json);
    let tokenizer = Tokenizer::parse(&section).unwrap();
    assert_quick(&tokenizer, &" \n".repeat(100_000), Specials::AsText);
}

#[test]
fn a_normal_form_that_outgrows_the_scratch_is_a_typed_error() {
    let section = section_of(&with_nfc(golden_json()));
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let encode = |text: &str| {
        let mut scratch = vec![0; Tokenizer::scratch_len(text.len())];
        tokenizer.encode(text, Specials::AsText, &mut scratch, &mut |_| Ok(()))
    };
    // Normal forms of three times the bytes, in one word: 1200 bytes of text, and 28 for each byte of the word and one more.
    let error = encode(&"\u{1d160}".repeat(100));
    let have_bytes = Tokenizer::scratch_bytes(400) - 1200;
    assert_eq!(error, Err(EncodeError::ScratchTooSmall { need_bytes: 28 * 1201, have_bytes }));
    // The same in words of 12 bytes, and a normal form that is one word as long as the text.
    assert_eq!(encode(&"\u{1d160} ".repeat(100)), Ok(()));
    assert_eq!(encode(&format!("{}\u{212b}", "å".repeat(100))), Ok(()));
}

#[test]
fn beginnings_of_special_tokens_cost_linear_time() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    assert_quick(&tokenizer, &"<|reserved_special_token_".repeat(8000), Specials::Recognise);
}

#[test]
fn a_word_beyond_the_scratch_is_a_typed_error_with_the_need() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let text = "q".repeat(100);
    let mut scratch = vec![0; Tokenizer::scratch_len(90)];
    let error = tokenizer.encode(&text, Specials::AsText, &mut scratch, &mut |_| Ok(()));
    assert_eq!(
        error,
        Err(EncodeError::ScratchTooSmall { need_bytes: 2828, have_bytes: Tokenizer::scratch_bytes(90) })
    );
    let mut scratch = vec![0; Tokenizer::scratch_len(100)];
    assert_eq!(tokenizer.encode(&text, Specials::AsText, &mut scratch, &mut |_| Ok(())), Ok(()));
    let full =
        tokenizer.encode(&text, Specials::AsText, &mut scratch, &mut |_| Err(ternlet_runtime::SinkFull));
    assert_eq!(full, Err(EncodeError::SinkFull));
}
