//! Pre-tokenizers: where words end
//!
//! A split cuts text into words that are merged apart. Each kind is the regular expression of its tokenizer family
//! written out as code: one forward scan, no backtracking beyond what the expression's result depends on.

mod llama3;

/// Which pre-tokenizer a vocabulary was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The expression of Llama 3, BitNet b1.58 2B-4T and the cl100k family.
    Llama3,
}

impl Split {
    /// The code in the model file; `None` for one that this reader does not know.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Llama3),
            _ => None,
        }
    }

    /// The code in the model file.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Llama3 => 1,
        }
    }

    /// Bytes of the first word of `text`: a character boundary, at least 1 unless `text` is empty.
    #[must_use]
    pub fn first_word_bytes(self, text: &str) -> usize {
        match self {
            Self::Llama3 => llama3::first_word_bytes(text),
        }
    }
}
