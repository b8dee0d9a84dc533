//! Pieces in memory, and the vocabulary they become

use std::collections::{BTreeMap, HashMap};

use ternlet_runtime::tokenizer::layout::{ADDED_SECOND_PASS, Kind};
use ternlet_runtime::tokenizer::sentencepiece::{Leading, Prefix, SentencePiece};

use super::words::{as_decoded, named_byte, single_character, word_start};
use crate::import::tokenizer_section::{AddedToken, Vocabulary};

/// Longest piece that can merge, in bytes: every division of a piece is looked up, in quadratic time.
const MAX_PIECE_BYTES: usize = 1024;

/// What a piece is for. The numbers are those of SentencePiece's file and of GGUF's `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceType {
    /// 1: text.
    Normal,
    /// 2: the unknown token.
    Unknown,
    /// 3: a special token, never made of text.
    Control,
    /// 4: text that is always this piece.
    UserDefined,
    /// 5: never given out.
    Unused,
    /// 6: a byte, written `<0x0A>`.
    Byte,
}

impl PieceType {
    /// The type with this number.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Normal),
            2 => Some(Self::Unknown),
            3 => Some(Self::Control),
            4 => Some(Self::UserDefined),
            5 => Some(Self::Unused),
            6 => Some(Self::Byte),
            _ => None,
        }
    }
}

/// Which of its two readings a list of pieces has; see the module text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// SentencePiece's own.
    SentencePiece,
    /// That of `LlamaTokenizer` in transformers 5.
    Transformers5,
}

/// A token that is recognised in raw text, beside those that the pieces' types ask for or instead of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraToken {
    /// Its id, content and flags.
    pub token: AddedToken,
    /// Whether decoding may skip it and text may not mean it.
    pub is_special: bool,
}

/// A SentencePiece BPE model.
#[derive(Debug, Clone)]
pub struct Pieces {
    /// The text of each id, with marks for spaces.
    pub texts: Vec<String>,
    /// The score of each id: the best merges first.
    pub scores: Vec<f32>,
    /// What each id is for.
    pub types: Vec<PieceType>,
    /// Which reading is meant.
    pub convention: Convention,
    /// Where a space is put in front.
    pub prefix: Prefix,
    /// The unknown token, for characters that are neither a piece nor bytes.
    pub unknown_id: Option<u32>,
    /// More added tokens.
    pub extra: Vec<ExtraToken>,
    /// Ids that go before a text.
    pub prefix_ids: Vec<u32>,
    /// Ids that go after a text.
    pub suffix_ids: Vec<u32>,
}

/// Texts by id, tokens recognised in raw text, ids of the special ones among them.
type Added = (Vec<String>, Vec<AddedToken>, Vec<u32>);
/// Pairs that merge to their rank, and the token that each rank becomes.
type Merges = (BTreeMap<(u32, u32), u32>, Vec<u32>);

impl Pieces {
    /// The vocabulary of these pieces.
    ///
    /// # Errors
    /// What was expected and found, for people.
    pub fn vocabulary(&self) -> Result<Vocabulary, String> {
        let n = self.texts.len();
        if self.scores.len() != n || self.types.len() != n {
            let (scores, types) = (self.scores.len(), self.types.len());
            return Err(format!(
                "expected a score and a type for each of {n} pieces, found {scores} and {types}"
            ));
        }
        let ids = self.ids()?;
        let (merges, merge_ids) = self.merges(&ids)?;
        let characters: BTreeMap<char, u32> =
            self.merging().filter_map(|(id, text)| Some((single_character(text)?, id))).collect();
        let byte_ids = self.byte_ids(&ids)?;
        let (texts, added, special_ids) = self.with_added()?;
        let is_own = self.convention == Convention::SentencePiece;
        let drops_characters = self.unknown_id.is_none() && byte_ids.contains(&None);
        let settings = SentencePiece {
            prefix: self.prefix,
            prefix_spares_spaces: !is_own,
            second_pass_sees_prefix: is_own,
            word_start: word_start(&texts, &merges, &characters, drops_characters),
            fuses_unknown: true,
            leading: if self.prefix == Prefix::Never { Leading::Keep } else { Leading::OneSpace },
            unknown_id: self.unknown_id,
        };
        let mut tokens: Vec<Vec<u8>> = texts.iter().map(|text| as_decoded(text).into_bytes()).collect();
        for (byte, id) in (0..=255u8).zip(byte_ids) {
            if let Some(id) = id {
                tokens[id as usize] = vec![byte];
            }
        }
        let is_word =
            |id: u32, text: &str| !text.is_empty() && !text.contains(' ') && !byte_ids.contains(&Some(id));
        Ok(Vocabulary {
            kind: Kind::SentencePiece(settings),
            tokens,
            byte_ids,
            merges,
            merge_ids,
            characters,
            word_ids: self.merging().filter(|(id, text)| is_word(*id, text)).map(|(id, _)| id).collect(),
            ignore_merges: false,
            added,
            special_ids,
            prefix_ids: self.prefix_ids.clone(),
            suffix_ids: self.suffix_ids.clone(),
        })
    }

    /// The id of each text.
    fn ids(&self) -> Result<HashMap<&str, u32>, String> {
        let mut ids = HashMap::new();
        for (text, id) in self.texts.iter().zip(0..) {
            if let Some(first) = ids.insert(&**text, id).filter(|_| !text.is_empty()) {
                return Err(format!("expected each piece once, found {text:?} as {first} and as {id}"));
            }
        }
        Ok(ids)
    }

    /// The pieces that characters and merges can become: all of them in transformers, which has no types.
    fn merging(&self) -> impl Iterator<Item = (u32, &str)> {
        let merges = |kind: &PieceType| {
            self.convention == Convention::Transformers5
                || matches!(kind, PieceType::Normal | PieceType::Unused)
        };
        let pieces = (0..).zip(&self.texts).zip(&self.types);
        pieces.filter(move |(_, kind)| merges(kind)).map(|((id, text), _)| (id, &**text))
    }

    /// Every division of a piece into two pieces, ranked as the convention has it.
    fn merges(&self, ids: &HashMap<&str, u32>) -> Result<Merges, String> {
        let mut pieces: Vec<(u32, &str)> = self.merging().collect();
        let is_own = self.convention == Convention::SentencePiece;
        if is_own {
            if let Some((id, text)) = pieces.iter().find(|(id, _)| self.scores[*id as usize].is_nan()) {
                return Err(format!("piece {id}, {text:?}: expected a score, found none (NaN)"));
            }
            // Stable: equal scores stay in the order of ids.
            pieces.sort_by(|a, b| self.scores[b.0 as usize].total_cmp(&self.scores[a.0 as usize]));
        }
        let mut is_part = vec![false; self.texts.len()];
        self.merging().for_each(|(id, _)| is_part[id as usize] = true);
        let part = |text: &str| ids.get(text).copied().filter(|id| is_part[*id as usize]);
        let (mut merges, mut merge_ids) = (BTreeMap::new(), Vec::new());
        for (id, text) in pieces {
            if text.len() > MAX_PIECE_BYTES {
                let found = text.len();
                return Err(format!("piece {id}: expected at most {MAX_PIECE_BYTES} bytes, found {found}"));
            }
            let divisions = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
            let pairs = divisions.filter_map(|(left, right)| Some((part(left)?, part(right)?)));
            let mut is_first = true;
            for pair in pairs {
                if is_own && self.types[id as usize] == PieceType::Unused {
                    return Err(format!(
                        "piece {id}, {text:?}: unused pieces that others merge into are not supported"
                    ));
                }
                // The divisions of a piece share a rank, or follow each other in rank.
                if !is_own || is_first {
                    merge_ids.push(id);
                }
                is_first = false;
                let rank = merge_ids.len() - 1;
                merges.insert(pair, u32::try_from(rank).map_err(|_| "expected fewer than 2³² merges")?);
            }
        }
        Ok((merges, merge_ids))
    }

    /// The tokens of bytes.
    fn byte_ids(&self, ids: &HashMap<&str, u32>) -> Result<[Option<u32>; 256], String> {
        let mut byte_ids = [None; 256];
        for (byte, place) in (0..=255u8).zip(&mut byte_ids) {
            *place = ids.get(&*format!("<0x{byte:02X}>")).copied();
        }
        let is_byte = |kind: &PieceType| match self.convention {
            Convention::SentencePiece => *kind == PieceType::Byte,
            Convention::Transformers5 => true,
        };
        for ((id, text), kind) in (0..).zip(&self.texts).zip(&self.types) {
            let named = named_byte(text);
            let is_expected = named.is_some_and(|byte| byte_ids[usize::from(byte)] == Some(id));
            if (*kind == PieceType::Byte || named.is_some()) && !(is_expected && is_byte(kind)) {
                return Err(format!(
                    "piece {id}: expected byte pieces to be written <0x00> to <0xFF>, and no others to be, found {text:?}"
                ));
            }
        }
        Ok(byte_ids)
    }

    /// Texts, added tokens and special ids, with those that the types ask for and the extra ones.
    fn with_added(&self) -> Result<Added, String> {
        let is_own = self.convention == Convention::SentencePiece;
        let mut texts = self.texts.clone();
        let mut added: BTreeMap<u32, ExtraToken> = BTreeMap::new();
        for ((id, text), kind) in (0..).zip(&self.texts).zip(&self.types) {
            let (content, flags, is_special) = match kind {
                PieceType::Unknown | PieceType::Control => (text.clone(), 0, true),
                // SentencePiece finds them in text that has its marks and the space in front.
                PieceType::UserDefined if is_own => (as_decoded(text), ADDED_SECOND_PASS, false),
                PieceType::UserDefined => (text.clone(), 0, false),
                PieceType::Normal | PieceType::Unused | PieceType::Byte => continue,
            };
            if !content.is_empty() {
                added.insert(id, ExtraToken { token: AddedToken { id, content, flags }, is_special });
            }
        }
        for extra in &self.extra {
            let AddedToken { id, content, flags } = &extra.token;
            let index = *id as usize;
            if index >= ternlet_runtime::config::MAX_VOCAB as usize {
                return Err(format!("added token {content:?}: id {id} is too large"));
            }
            if index >= texts.len() {
                texts.resize(index + 1, String::new());
            }
            if !texts[index].is_empty() && texts[index] != *content {
                return Err(format!("added token {content:?}: its id {id} is that of {:?}", texts[index]));
            }
            texts[index].clone_from(content);
            // Wrappers of SentencePiece look for all of them in raw text.
            let flags = if is_own { flags & !ADDED_SECOND_PASS } else { *flags };
            let is_special = extra.is_special || added.get(id).is_some_and(|token| token.is_special);
            let token = AddedToken { id: *id, content: content.clone(), flags };
            added.insert(*id, ExtraToken { token, is_special });
        }
        let special_ids =
            added.values().filter(|extra| extra.is_special).map(|extra| extra.token.id).collect();
        Ok((texts, added.into_values().map(|extra| extra.token).collect(), special_ids))
    }
}
