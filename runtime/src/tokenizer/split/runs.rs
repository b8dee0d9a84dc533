//! What the expressions of several pre-tokenizers have in common

use super::super::unicode::{Class, class};

/// Bytes of the longest prefix of `text` whose characters all satisfy `matches`.
pub(super) fn run_bytes(text: &str, matches: impl Fn(char) -> bool) -> usize {
    text.find(|c| !matches(c)).unwrap_or(text.len())
}

/// Bytes of the longest prefix of `text` whose characters are all of `wanted`.
pub(super) fn class_bytes(text: &str, wanted: Class) -> usize {
    run_bytes(text, |c| class(c) == wanted)
}

/// `\s+(?!\S)|\s+` for a `text` that starts with `run` bytes of white space and no more.
///
/// The look-ahead sees the end of `text` as an end, as it does when added tokens cut a text into pieces.
pub(super) fn white_space_bytes(text: &str, run: usize) -> usize {
    if run == text.len() {
        return run;
    }
    // `\s+` gives back one character, which then is the white space that the look-ahead wants; a run of a single
    // character has none to give and falls to the last alternative.
    match text[..run].char_indices().next_back() {
        Some((last, _)) if last > 0 => last,
        _ => run,
    }
}
