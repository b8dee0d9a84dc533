//! The TOKENIZER section: a header of counts, then arrays without gaps
//!
//! All numbers are u32, little-endian, at multiples of 4 bytes; [`NONE`] marks an absent id. No offset is stored: each
//! array starts where the one before ends, and the counts fix all of them.
//!
//! | array | elements | meaning |
//! |---|---|---|
//! | header | 16 | [`Header`] |
//! | token_starts | n_tokens + 1 | where each token's bytes start in token_bytes; ascending from 0 to n_token_bytes |
//! | special_bits | ⌈n_tokens / 32⌉ | bit `id % 32` of element `id / 32`: a decoder may skip this token |
//! | byte_ids | 256 | the token of each single byte, or `NONE`: such a byte is dropped; SentencePiece: of `<0xNN>` |
//! | merge_starts | n_tokens + 1 | where each left token's pairs start in merge_pairs; ascending from 0 to n_merges |
//! | merge_pairs | 2 · n_merges | (right token, rank): right tokens ascend for each left token; the least rank goes first |
//! | merge_ids | n_ranks | the token that a pair of this rank becomes; in rank files several pairs share a rank |
//! | characters | 2 · n_characters | (code point, token) of SentencePiece, code points ascending; a space is U+0020 |
//! | word_slots | n_word_slots | hash table ([`super::words`]) of tokens that a word of equal bytes becomes unmerged |
//! | added_ids | n_added | tokens recognised in raw text, in ascending order of their bytes |
//! | added_starts | n_added + 1 | where their bytes start in added_bytes; ascending from 0 to n_added_bytes |
//! | added_flags | n_added | [`ADDED_SECOND_PASS`], [`ADDED_LSTRIP`], [`ADDED_RSTRIP`], [`ADDED_SINGLE_WORD`] |
//! | prefix_ids, suffix_ids | n_prefix, n_suffix | what goes before and after a text by default |
//! | token_bytes | n_token_bytes bytes | what each token decodes to |
//! | added_bytes | n_added_bytes bytes | UTF-8 that each added token is recognised by |

use super::error::TokenizerError;
use super::sentencepiece::SentencePiece;
use super::split::Split;

/// An absent id, or an empty slot of the word table.
pub const NONE: u32 = u32::MAX;
/// Bytes of the section's header.
pub const HEADER_BYTES: usize = 64;
/// Most tokens: the largest vocabulary of a model.
pub const MAX_TOKENS: u32 = crate::config::MAX_VOCAB;
/// Most merges.
pub const MAX_MERGES: u32 = 1 << 22;
/// Most slots of the word table.
pub const MAX_WORD_SLOTS: u32 = 1 << 22;
/// Most bytes of all tokens together.
pub const MAX_TOKEN_BYTES: u32 = 1 << 26;
/// Longest added token in bytes; bounds the work of recognising one.
pub const MAX_ADDED_TOKEN_BYTES: u32 = 512;
/// Most ids before or after a text.
pub const MAX_AFFIX_IDS: u32 = 16;
/// Model kind: byte-level BPE.
pub const MODEL_BYTE_LEVEL_BPE: u32 = 1;
/// Model kind: SentencePiece BPE.
pub const MODEL_SENTENCEPIECE_BPE: u32 = 2;

/// What is done to text before it is split, after the first pass of added tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normaliser {
    /// Nothing.
    #[default]
    None,
    /// Canonical composition (NFC) in the Unicode version of the `tokenizers` crate.
    Nfc,
}

impl Normaliser {
    /// The code in the model file; `None` for one that this reader does not know.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Nfc),
            _ => None,
        }
    }

    /// The code in the model file.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Nfc => 1,
        }
    }
}

/// Flag of an added token that is looked for only in what the first pass left (`normalized` in `tokenizer.json`).
pub const ADDED_SECOND_PASS: u32 = 1;
/// Flag of an added token that swallows the white space before it.
pub const ADDED_LSTRIP: u32 = 2;
/// Flag of an added token that swallows the white space after it.
pub const ADDED_RSTRIP: u32 = 4;
/// Flag of an added token that stands neither directly after nor directly before a word character.
pub const ADDED_SINGLE_WORD: u32 = 8;
/// All flags of an added token.
pub const ADDED_FLAGS: u32 = ADDED_SECOND_PASS | ADDED_LSTRIP | ADDED_RSTRIP | ADDED_SINGLE_WORD;

/// What the vocabulary's tokens are made of, and where words end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes, of normalised text in the words of a pre-tokenizer.
    ByteLevel(Normaliser, Split),
    /// Characters, with the tokens of bytes for those that are no piece.
    SentencePiece(SentencePiece),
}

/// The counts that fix the section's shape.
///
/// | offset | name | valid |
/// |---|---|---|
/// | 0 | model | 1: byte-level BPE, 2: SentencePiece BPE |
/// | 4 | split | 1: Llama 3, 2: GPT-2, 3: Falcon, 4: Qwen2; SentencePiece: 0 |
/// | 8 | n_tokens | 1 to 2²⁰ |
/// | 12 | n_token_bytes | at most 2²⁶ |
/// | 16 | n_merges | at most 2²² |
/// | 20 | n_ranks | at most 2²² |
/// | 24 | n_word_slots | 0 or a power of two, at most 2²² |
/// | 28 | max_word_bytes | longest token of the word table; at most n_token_bytes |
/// | 32 | n_added | at most n_tokens |
/// | 36 | n_added_bytes | at most 512 · n_added |
/// | 40, 44 | n_prefix, n_suffix | at most 16 |
/// | 48 | normaliser | of byte-level BPE 0: none, 1: NFC; otherwise zero |
/// | 52 | settings | of SentencePiece, otherwise zero: bits in `FORMAT.md` |
/// | 56 | n_characters | at most n_tokens; byte-level: zero |
/// | 60 | unknown_id | of SentencePiece: an id or `NONE`; otherwise zero |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What tokens are made of.
    pub kind: Kind,
    /// Number of token ids.
    pub n_tokens: u32,
    /// Bytes of all tokens together.
    pub n_token_bytes: u32,
    /// Number of pairs that merge.
    pub n_merges: u32,
    /// Number of ranks: one more than the largest.
    pub n_ranks: u32,
    /// Slots of the word table.
    pub n_word_slots: u32,
    /// Bytes of the longest token in the word table.
    pub max_word_bytes: u32,
    /// Number of tokens recognised in raw text.
    pub n_added: u32,
    /// Bytes of all added tokens together.
    pub n_added_bytes: u32,
    /// Ids put before a text.
    pub n_prefix: u32,
    /// Ids put after a text.
    pub n_suffix: u32,
    /// Characters that are a token.
    pub n_characters: u32,
}

impl Header {
    /// Reads and range-checks the header.
    ///
    /// # Errors
    /// Rejections T1, T3 to T6, T8, T14 and T16 of `FORMAT.md`.
    pub fn decode(section: &[u8]) -> Result<Self, TokenizerError> {
        let Some(bytes) = section.first_chunk::<HEADER_BYTES>() else {
            return Err(TokenizerError::Truncated { need: HEADER_BYTES, have: section.len() });
        };
        let (words, _) = bytes.as_chunks::<4>();
        let word = |index: usize| u32::from_le_bytes(words[index]);
        let kind = match (word(0), Split::from_code(word(1))) {
            (MODEL_BYTE_LEVEL_BPE, Some(split)) => {
                let normaliser = Normaliser::from_code(word(12));
                let found = word(12);
                Kind::ByteLevel(normaliser.ok_or(TokenizerError::UnknownNormaliser { found })?, split)
            }
            (MODEL_SENTENCEPIECE_BPE, None) if word(1) == 0 => {
                let unknown_id = (word(15) != NONE).then_some(word(15));
                if unknown_id.is_some_and(|id| id >= word(2)) {
                    return Err(TokenizerError::IdOutOfRange {
                        table: "unknown_id",
                        index: 0,
                        found: word(15),
                    });
                }
                Kind::SentencePiece(SentencePiece::from_words(word(13), unknown_id)?)
            }
            (MODEL_BYTE_LEVEL_BPE | MODEL_SENTENCEPIECE_BPE, _) => {
                return Err(TokenizerError::UnknownSplit { found: word(1) });
            }
            (found, _) => return Err(TokenizerError::UnknownModel { found }),
        };
        // Header words that mean nothing to this kind.
        let mut reserved = match kind {
            Kind::ByteLevel(..) => 13..16,
            Kind::SentencePiece(_) => 12..13,
        };
        let header = Self {
            kind,
            n_tokens: count("n_tokens", word(2), 1, MAX_TOKENS)?,
            n_token_bytes: count("n_token_bytes", word(3), 0, MAX_TOKEN_BYTES)?,
            n_merges: count("n_merges", word(4), 0, MAX_MERGES)?,
            n_ranks: count("n_ranks", word(5), 0, MAX_MERGES)?,
            n_word_slots: count("n_word_slots", word(6), 0, MAX_WORD_SLOTS)?,
            max_word_bytes: count("max_word_bytes", word(7), 0, word(3))?,
            n_added: count("n_added", word(8), 0, word(2))?,
            n_added_bytes: count("n_added_bytes", word(9), 0, MAX_ADDED_TOKEN_BYTES.saturating_mul(word(8)))?,
            n_prefix: count("n_prefix", word(10), 0, MAX_AFFIX_IDS)?,
            n_suffix: count("n_suffix", word(11), 0, MAX_AFFIX_IDS)?,
            n_characters: match kind {
                Kind::ByteLevel(..) => 0,
                Kind::SentencePiece(_) => count("n_characters", word(14), 0, word(2))?,
            },
        };
        let slots = header.n_word_slots;
        if slots != 0 && !slots.is_power_of_two() {
            return Err(TokenizerError::CountOutOfRange {
                name: "n_word_slots",
                min: 0,
                max: MAX_WORD_SLOTS,
                found: slots,
            });
        }
        match reserved.find(|index| word(*index) != 0) {
            Some(index) => Err(TokenizerError::ReservedNotZero { offset: 4 * index }),
            None => Ok(header),
        }
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let (model, split, normaliser, settings, unknown_id) = match self.kind {
            Kind::ByteLevel(normaliser, split) => {
                (MODEL_BYTE_LEVEL_BPE, split.code(), normaliser.code(), 0, 0)
            }
            Kind::SentencePiece(pieces) => {
                (MODEL_SENTENCEPIECE_BPE, 0, 0, pieces.settings_word(), pieces.unknown_id.unwrap_or(NONE))
            }
        };
        let words = [
            model,
            split,
            self.n_tokens,
            self.n_token_bytes,
            self.n_merges,
            self.n_ranks,
            self.n_word_slots,
            self.max_word_bytes,
            self.n_added,
            self.n_added_bytes,
            self.n_prefix,
            self.n_suffix,
            normaliser,
            settings,
            self.n_characters,
            unknown_id,
        ];
        let mut bytes = [0; HEADER_BYTES];
        for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

/// `found` if `min <= found <= max`, else the error that says so.
fn count(name: &'static str, found: u32, min: u32, max: u32) -> Result<u32, TokenizerError> {
    if (min..=max).contains(&found) {
        return Ok(found);
    }
    Err(TokenizerError::CountOutOfRange { name, min, max, found })
}
