//! The pre-tokenizers of Llama 3 and Qwen2
//!
//! The expression, alternatives in order of preference, n = 3 for Llama 3 and 1 for Qwen2:
//!
//! ```text
//! (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,n}
//!     | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//! ```
//!
//! Every character is a letter, a number, a space or other, so one alternative always matches and words tile the text.

use super::super::unicode::{Class, class};
use super::runs::{class_bytes, run_bytes, white_space_bytes};

/// Bytes of the first match in `text`, with at most `max_numbers` numbers in a word; 0 only for an empty text.
pub(super) fn first_word_bytes(text: &str, max_numbers: usize) -> usize {
    let mut rest = text.chars();
    let Some(first) = rest.next() else { return 0 };
    if first == '\''
        && let Some(end) = contraction_bytes(rest.as_str())
    {
        return 1 + end;
    }

    let first_class = class(first);
    let first_bytes = first.len_utf8();
    let after = rest.as_str();
    // [^\r\n\p{L}\p{N}]?\p{L}+
    let may_lead = !matches!(first_class, Class::Letter | Class::Number) && !is_newline(first);
    if first_class == Class::Letter || may_lead {
        let letters = class_bytes(after, Class::Letter);
        if first_class == Class::Letter || letters > 0 {
            return first_bytes + letters;
        }
    }
    match first_class {
        // \p{N}{1,n}
        Class::Number => after
            .chars()
            .take(max_numbers - 1)
            .take_while(|c| class(*c) == Class::Number)
            .fold(first_bytes, |bytes, c| bytes + c.len_utf8()),
        //  ?[^\s\p{L}\p{N}]+[\r\n]* without the space
        Class::Other => punctuation_bytes(text),
        // The same with the space, then the three alternatives of white space.
        _ => match if first == ' ' { punctuation_bytes(after) } else { 0 } {
            0 => newline_or_white_space_bytes(text),
            punctuation => 1 + punctuation,
        },
    }
}

/// `(?i:s|t|re|ve|m|ll|d)` at the start of `text`, after an apostrophe. Case folding lets the long s (U+017F) stand for
/// an s; no other character outside ASCII folds to one of these letters.
fn contraction_bytes(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    match chars.next()? {
        's' | 'S' | 't' | 'T' | 'm' | 'M' | 'd' | 'D' => Some(1),
        'ſ' => Some('ſ'.len_utf8()),
        'r' | 'R' | 'v' | 'V' => matches!(chars.next()?, 'e' | 'E').then_some(2),
        'l' | 'L' => matches!(chars.next()?, 'l' | 'L').then_some(2),
        _ => None,
    }
}

/// `[^\s\p{L}\p{N}]+[\r\n]*` at the start of `text`; 0 if it does not match.
fn punctuation_bytes(text: &str) -> usize {
    match class_bytes(text, Class::Other) {
        0 => 0,
        others => others + run_bytes(&text[others..], is_newline),
    }
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+` for a `text` that starts with white space.
fn newline_or_white_space_bytes(text: &str) -> usize {
    let run = class_bytes(text, Class::Space);
    // `\s*` gives back characters until a newline follows: the match ends with the run's last newline.
    match text[..run].rfind(is_newline) {
        Some(newline) => newline + 1,
        None => white_space_bytes(text, run),
    }
}

const fn is_newline(c: char) -> bool {
    matches!(c, '\r' | '\n')
}
