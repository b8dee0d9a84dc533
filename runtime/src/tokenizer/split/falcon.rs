//! The pre-tokenizer of Falcon
//!
//! Four steps, each cutting what the one before left: runs of punctuation apart from the rest; the expression of GPT-2
//! within each; runs of numbers apart from the rest; digits of numbers in threes. The last two look at the characters
//! that the byte-level alphabet writes bytes with, not at those of the text: the bytes B2, B3, B9, BC, BD and BE stand
//! for themselves there, as the numbers ² ³ ¹ ¼ ½ ¾. So a word may begin or end within a character.

use super::super::unicode::is_punctuation;
use super::runs::run_bytes;

/// Bytes of the first run of punctuation, or of anything else, in `text`; 0 only for an empty text.
pub(super) fn first_run_bytes(text: &str) -> usize {
    let kind = text.chars().next().is_some_and(is_punctuation);
    run_bytes(text, |c| is_punctuation(c) == kind)
}

/// Bytes of the first part of a `word` of GPT-2's expression; 0 only for an empty word.
pub(super) fn first_part_bytes(word: &[u8]) -> usize {
    if !word.first().is_some_and(|byte| is_number(*byte)) {
        return word.iter().position(|byte| is_number(*byte)).unwrap_or(word.len());
    }
    if starts_with_three_digits(word) {
        return 3;
    }
    let is_end = |at: &usize| !is_number(word[*at]) || starts_with_three_digits(&word[*at..]);
    (1..word.len()).find(is_end).unwrap_or(word.len())
}

fn starts_with_three_digits(bytes: &[u8]) -> bool {
    bytes.first_chunk::<3>().is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

/// Whether the character that stands for `byte` is a number.
const fn is_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | 0xb2 | 0xb3 | 0xb9 | 0xbc..=0xbe)
}
