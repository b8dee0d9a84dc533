//! Pre-tokenizers: where words end
//!
//! A split cuts text into words that are merged apart. Each kind is the regular expression of its tokenizer family
//! written out as code: one forward scan, no backtracking beyond what the expression's result depends on.

mod falcon;
mod gpt2;
mod llama3;
mod runs;

/// Which pre-tokenizer a vocabulary was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The expression of Llama 3, BitNet b1.58 2B-4T, Falcon3 and the cl100k family.
    Llama3,
    /// The expression of GPT-2, which `ByteLevel` brings along; also GPT-NeoX.
    Gpt2,
    /// Punctuation, the expression of GPT-2, numbers, digits in threes: the first Falcon models.
    Falcon,
    /// The expression of Qwen2 and Qwen3: Llama 3's with every digit a word.
    Qwen2,
}

impl Split {
    /// The code in the model file; `None` for one that this reader does not know.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Llama3),
            2 => Some(Self::Gpt2),
            3 => Some(Self::Falcon),
            4 => Some(Self::Qwen2),
            _ => None,
        }
    }

    /// The code in the model file.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Llama3 => 1,
            Self::Gpt2 => 2,
            Self::Falcon => 3,
            Self::Qwen2 => 4,
        }
    }

    /// The words of `text`: they tile its bytes. Only Falcon's may end within a character.
    ///
    /// Time: O(n) in the bytes of `text`.
    #[must_use]
    pub const fn words(self, text: &str) -> SplitWords<'_> {
        let (run, rest) = match self {
            Self::Falcon => ("", text),
            Self::Llama3 | Self::Gpt2 | Self::Qwen2 => (text, ""),
        };
        SplitWords { split: self, rest, run, word: &[] }
    }

    /// Bytes of the first match of the expression in `text`: 0 only for an empty text.
    fn first_word_bytes(self, text: &str) -> usize {
        match self {
            Self::Llama3 => llama3::first_word_bytes(text, 3),
            Self::Gpt2 | Self::Falcon => gpt2::first_word_bytes(text),
            Self::Qwen2 => llama3::first_word_bytes(text, 1),
        }
    }
}

/// Iterator over the words of a text.
#[derive(Debug, Clone)]
pub struct SplitWords<'t> {
    split: Split,
    /// Text after the run; only Falcon's split has more than one run.
    rest: &'t str,
    /// Text that the expression has not cut yet; its look-ahead sees the end of the run as an end.
    run: &'t str,
    /// What is left of a word that is cut further.
    word: &'t [u8],
}

impl<'t> Iterator for SplitWords<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        if self.word.is_empty() {
            if self.run.is_empty() {
                (self.run, self.rest) = self.rest.split_at(falcon::first_run_bytes(self.rest));
            }
            let (word, run) = self.run.split_at(self.split.first_word_bytes(self.run));
            (self.word, self.run) = (word.as_bytes(), run);
        }
        let n = match self.split {
            Split::Falcon => falcon::first_part_bytes(self.word),
            Split::Llama3 | Split::Gpt2 | Split::Qwen2 => self.word.len(),
        };
        let (part, word) = self.word.split_at(n);
        self.word = word;
        (n > 0).then_some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::Split;
    use std::{string::String, vec::Vec};

    #[track_caller]
    fn check(split: Split, cases: &[(&str, &[&str])]) {
        for (text, expected) in cases {
            let words: Vec<String> =
                split.words(text).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            assert_eq!(words, *expected, "{split:?}, {text:?}");
        }
    }

    #[test]
    fn llama_3_words_end_where_the_expression_ends_them() {
        check(
            Split::Llama3,
            &[
                ("", &[]),
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
            ],
        );
    }

    #[test]
    fn qwen_2_words_have_one_number_each() {
        let words: &[&str] = &["a", "1", "2", "½", " ", "3", "'Re", " x", "!\n", " ", " y"];
        check(Split::Qwen2, &[("a12½ 3'Re x!\n  y", words), ("", &[])]);
    }

    #[test]
    fn gpt_2_words_end_where_the_expression_ends_them() {
        check(
            Split::Gpt2,
            &[
                ("", &[]),
                ("Hello, world!", &["Hello", ",", " world", "!"]),
                ("I'Ll won't's 's", &["I", "'", "Ll", " won", "'t", "'s", " '", "s"]),
                ("12345 ½²x", &["12345", " ½²", "x"]),
                ("a   b  ", &["a", "  ", " b", "  "]),
                ("a\n\nb \n !?\n", &["a", "\n", "\n", "b", " \n", " !?", "\n"]),
                (" ", &[" "]),
                ("\u{3000}a", &["\u{3000}", "a"]),
            ],
        );
    }

    #[test]
    fn falcon_words_are_cut_four_times() {
        check(
            Split::Falcon,
            &[
                ("", &[]),
                ("Hi, you!?", &["Hi", ",", " you", "!?"]),
                ("it's  'x", &["it", "'", "s", "  ", "'", "x"]),
                ("a 12345 b1", &["a", " ", "123", "45", " b", "1"]),
                // C2 B2: the second byte is a number of the byte-level alphabet.
                ("²12", &["\u{fffd}", "\u{fffd}12"]),
                ("²123", &["\u{fffd}", "\u{fffd}", "123"]),
            ],
        );
    }
}
