//! The pre-tokenizer of Llama 3
//!
//! The expression, alternatives in order of preference:
//!
//! ```text
//! (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3}
//!     | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//! ```
//!
//! Every character is a letter, a number, a space or other, so one alternative always matches and words tile the text.
//! The look-ahead sees the end of the given text, as it does when added tokens cut a text into pieces.

use super::super::unicode::{Class, class};

/// Bytes of the first match in `text`; 0 only for an empty text.
pub(super) fn first_word_bytes(text: &str) -> usize {
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
        let letters = run_bytes(after, |c| class(c) == Class::Letter);
        if first_class == Class::Letter || letters > 0 {
            return first_bytes + letters;
        }
    }
    match first_class {
        // \p{N}{1,3}
        Class::Number => after
            .chars()
            .take(2)
            .take_while(|c| class(*c) == Class::Number)
            .fold(first_bytes, |bytes, c| bytes + c.len_utf8()),
        //  ?[^\s\p{L}\p{N}]+[\r\n]* without the space
        Class::Other => punctuation_bytes(text),
        // The same with the space, then the three alternatives of white space.
        _ => match if first == ' ' { punctuation_bytes(after) } else { 0 } {
            0 => white_space_bytes(text),
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
    match run_bytes(text, |c| class(c) == Class::Other) {
        0 => 0,
        others => others + run_bytes(&text[others..], is_newline),
    }
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+` for a `text` that starts with white space.
fn white_space_bytes(text: &str) -> usize {
    let run = run_bytes(text, |c| class(c) == Class::Space);
    let spaces = &text[..run];
    // `\s*` gives back characters until a newline follows: the match ends with the run's last newline.
    if let Some(newline) = spaces.rfind(is_newline) {
        return newline + 1;
    }
    if run == text.len() {
        return run;
    }
    // `\s+` gives back one character, which then is the white space that the look-ahead wants; a run of a single
    // character has none to give and falls to the last alternative.
    match spaces.char_indices().next_back() {
        Some((last, _)) if last > 0 => last,
        _ => run,
    }
}

/// Bytes of the longest prefix of `text` whose characters all satisfy `matches`.
fn run_bytes(text: &str, matches: impl Fn(char) -> bool) -> usize {
    text.find(|c| !matches(c)).unwrap_or(text.len())
}

const fn is_newline(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::first_word_bytes;

    #[test]
    fn words_end_where_the_expression_ends_them() {
        let cases: [(&str, &[&str]); 12] = [
            ("Hello, world!", &["Hello", ",", " world", "!"]),
            ("I'Ll won't 'ſt 's", &["I", "'Ll", " won", "'t", " '", "ſt", " '", "s"]),
            ("'ſt", &["'ſ", "t"]),
            ("'re'vE'x'", &["'re", "'vE", "'x", "'"]),
            ("12345 ½²x", &["123", "45", " ", "½²", "x"]),
            ("a   b", &["a", "  ", " b"]),
            ("a   ", &["a", "   "]),
            ("a \n \r\n  b", &["a", " \n \r\n", " ", " b"]),
            (" !?\n\n x", &[" !?\n\n", " x"]),
            ("\u{3000}\u{3000}!", &["\u{3000}", "\u{3000}", "!"]),
            ("\tx\t!e\u{301}", &["\tx", "\t", "!e", "\u{301}"]),
            ("\n你好", &["\n", "你好"]),
        ];
        for (text, expected) in cases {
            let mut rest = text;
            for word in expected {
                let bytes = first_word_bytes(rest);
                assert_eq!(&rest[..bytes], *word, "{text:?}");
                rest = &rest[bytes..];
            }
            assert_eq!(rest, "", "{text:?}");
        }
    }
}
