//! Why a tokenizer section is refused, and why a text cannot be encoded

use core::fmt;

/// Why a TOKENIZER section is refused; one variant per numbered rejection of `runtime/FORMAT.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the numbers of the message that each variant displays")]
pub enum TokenizerError {
    /// T1: shorter than its header.
    Truncated { need: usize, have: usize },
    /// T2: another length than the header's counts demand.
    WrongLength { need: usize, have: usize },
    /// T3: a kind of tokenizer that this reader does not know.
    UnknownModel { found: u32 },
    /// T4: a pre-tokenizer that this reader does not know, or any for a kind that has none.
    UnknownSplit { found: u32 },
    /// T5: a count out of range, or slots that are no power of two.
    CountOutOfRange { name: &'static str, min: u32, max: u32, found: u32 },
    /// T6: a reserved byte of the header is used.
    ReservedNotZero { offset: usize },
    /// T7: starts that do not ascend from 0 to the length of what they point into.
    BadStarts { table: &'static str, index: usize },
    /// T8: an id outside the vocabulary.
    IdOutOfRange { table: &'static str, index: usize, found: u32 },
    /// T9: the pairs of one left token do not ascend.
    MergeOrder { index: usize },
    /// T10: a rank that is not below the number of ranks.
    RankOutOfRange { index: usize, found: u32 },
    /// T11: added tokens that do not ascend by their bytes.
    AddedOrder { index: usize },
    /// T12: an added token that is empty, longer than 512 bytes or not UTF-8.
    BadAddedToken { index: usize },
    /// T13: an undefined flag of an added token, or a special bit beyond the vocabulary.
    UnknownFlag { table: &'static str, index: usize },
    /// T14: an undefined setting of the SentencePiece kind.
    UnknownSetting { found: u32 },
    /// T15: code points that do not ascend or are no characters.
    BadCharacter { index: usize },
    /// T16: a normaliser that this reader does not know.
    UnknownNormaliser { found: u32 },
}

impl fmt::Display for TokenizerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { need, have } => {
                write!(f, "header needs {need} bytes, the section has {have}")
            }
            Self::WrongLength { need, have } => {
                write!(f, "the tables need {need} bytes, the section has {have}")
            }
            Self::UnknownModel { found } => {
                write!(f, "kind must be 1 (byte-level BPE) or 2 (SentencePiece BPE), found {found}")
            }
            Self::UnknownSplit { found } => {
                write!(
                    f,
                    "pre-tokenizer must be 1 to 4 (Llama 3, GPT-2, Falcon, Qwen2), or 0 for SentencePiece, found {found}"
                )
            }
            Self::CountOutOfRange { name: name @ "n_word_slots", max, found, .. } => {
                write!(f, "{name} must be 0 or a power of two up to {max}, found {found}")
            }
            Self::CountOutOfRange { name, min, max, found } => {
                write!(f, "{name} must be {min} to {max}, found {found}")
            }
            Self::ReservedNotZero { offset } => {
                write!(f, "header byte {offset} is reserved and must be zero")
            }
            Self::BadStarts { table, index } => {
                write!(f, "{table}[{index}]: starts must ascend from 0 to the end of their bytes")
            }
            Self::IdOutOfRange { table, index, found } => {
                write!(f, "{table}[{index}]: id {found} is outside the vocabulary")
            }
            Self::MergeOrder { index } => {
                write!(f, "merge_pairs[{index}]: right tokens of one left token must ascend")
            }
            Self::RankOutOfRange { index, found } => {
                write!(f, "merge_pairs[{index}]: rank {found} is not below the number of ranks")
            }
            Self::AddedOrder { index } => {
                write!(f, "added token {index}: added tokens must ascend by their bytes")
            }
            Self::BadAddedToken { index } => {
                write!(f, "added token {index}: must be 1 to 512 bytes of UTF-8")
            }
            Self::UnknownFlag { table, index } => write!(f, "{table}[{index}]: undefined bit set"),
            Self::UnknownSetting { found } => {
                write!(f, "SentencePiece settings {found:#x} have an undefined bit or value")
            }
            Self::BadCharacter { index } => {
                write!(f, "characters[{index}]: must be code points of characters, ascending")
            }
            Self::UnknownNormaliser { found } => {
                write!(f, "normaliser must be 0 (none) or 1 (NFC), found {found}")
            }
        }
    }
}

impl core::error::Error for TokenizerError {}

/// Why a text could not be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A word, or a text that has to be normalised, is longer than the scratch serves.
    ScratchTooSmall {
        /// Bytes of scratch that it needs; for a text to be normalised, the most that it can need.
        need_bytes: usize,
        /// Bytes of scratch given.
        have_bytes: usize,
    },
    /// The sink took no more ids.
    SinkFull,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ScratchTooSmall { need_bytes, have_bytes } => {
                write!(
                    f,
                    "word too long: encoding it needs {need_bytes} bytes of scratch, there are {have_bytes}"
                )
            }
            Self::SinkFull => write!(f, "text too long: more tokens than there is room for"),
        }
    }
}

impl core::error::Error for EncodeError {}
