//! The pre-tokenizer of GPT-2
//!
//! The expression, alternatives in order of preference:
//!
//! ```text
//! 's|'t|'re|'ve|'m|'ll|'d | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
//! ```

use super::super::unicode::{Class, class};
use super::runs::{class_bytes, white_space_bytes};

/// Bytes of the first match in `text`; 0 only for an empty text.
pub(super) fn first_word_bytes(text: &str) -> usize {
    if let Some(contraction) = CONTRACTIONS.iter().find(|contraction| text.starts_with(**contraction)) {
        return contraction.len();
    }
    let space = usize::from(text.starts_with(' '));
    match text[space..].chars().next().map(class) {
        None => space,
        Some(Class::Space) => white_space_bytes(text, class_bytes(text, Class::Space)),
        Some(other) => space + class_bytes(&text[space..], other),
    }
}

const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
