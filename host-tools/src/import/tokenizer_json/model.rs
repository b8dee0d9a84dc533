//! The `model` object: vocabulary and merges

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;
use ternlet_runtime::config::MAX_VOCAB;

use super::byte_alphabet;

/// A BPE model, of bytes or of SentencePiece.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    #[serde(default)]
    pub(super) ignore_merges: bool,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(super) byte_fallback: bool,
    #[serde(default)]
    pub(super) fuse_unk: bool,
    #[serde(default)]
    unk_token: Option<String>,
}

/// A merge: older files write both parts in one string.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Merge {
    Parts(String, String),
    Joined(String),
}

impl Merge {
    fn parts(&self) -> Option<(&str, &str)> {
        match self {
            Self::Parts(left, right) => Some((left, right)),
            Self::Joined(both) => both.split_once(' ').filter(|(_, right)| !right.contains(' ')),
        }
    }
}

impl Model {
    pub(super) fn read(model: Value) -> Result<Self, String> {
        match model.get("type").and_then(Value::as_str) {
            None | Some("BPE") => {}
            Some(other) => return Err(format!("model: expected BPE, found {other}")),
        }
        let model: Self = serde_json::from_value(model).map_err(|e| format!("model: {e}"))?;
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let unsupported = [
            (model.dropout.is_some_and(|dropout| dropout != 0.0), "dropout"),
            (is_set(&model.continuing_subword_prefix), "continuing_subword_prefix"),
            (is_set(&model.end_of_word_suffix), "end_of_word_suffix"),
        ];
        match unsupported.iter().find(|(is_used, _)| *is_used) {
            Some((_, what)) => Err(format!("model: {what} is not supported")),
            None => Ok(model),
        }
    }

    /// Refuses what does not go with bytes in disguise.
    pub(super) fn check_byte_level(&self) -> Result<(), String> {
        let has_unknown = self.unk_token.as_ref().is_some_and(|token| !token.is_empty());
        if self.byte_fallback {
            return Err("model: byte_fallback (SentencePiece) is not supported with ByteLevel".into());
        }
        if has_unknown && self.byte_ids().contains(&None) {
            return Err("model: unk_token with bytes left out is not supported".into());
        }
        Ok(())
    }

    /// The unknown token, if there is one.
    pub(super) fn unknown_id(&self) -> Result<Option<u32>, String> {
        let Some(text) = self.unk_token.as_ref() else { return Ok(None) };
        match self.vocab.get(text) {
            Some(id) => Ok(Some(*id)),
            None => Err(format!("model: unk_token {text:?} is not in the vocabulary")),
        }
    }

    /// The token that is written `<0x0A>` for each byte.
    pub(super) fn named_byte_ids(&self) -> [Option<u32>; 256] {
        let mut ids = [None; 256];
        for (byte, id) in (0..=255u8).zip(&mut ids) {
            *id = self.vocab.get(&format!("<0x{byte:02X}>")).copied();
        }
        ids
    }

    /// The text of each id; empty for ids left out.
    pub(super) fn texts(&self) -> Result<Vec<String>, String> {
        let Some(last) = self.vocab.values().max() else {
            return Err("model: the vocabulary is empty".into());
        };
        if *last >= MAX_VOCAB {
            return Err(format!("model: expected ids below {MAX_VOCAB}, found {last}"));
        }
        let mut texts = vec![String::new(); *last as usize + 1];
        for (text, id) in &self.vocab {
            let place = &mut texts[*id as usize];
            if !place.is_empty() {
                let (first, second) = if *place < *text { (&*place, text) } else { (text, &*place) };
                return Err(format!("model: {first:?} and {second:?} have the same id {id}"));
            }
            place.clone_from(text);
        }
        Ok(texts)
    }

    /// The token of each byte.
    pub(super) fn byte_ids(&self) -> [Option<u32>; 256] {
        byte_alphabet::characters().map(|c| self.vocab.get(c.encode_utf8(&mut [0; 4]) as &str).copied())
    }

    /// The ids of tokens that stand for bytes, ascending.
    pub(super) fn word_ids(&self) -> Vec<u32> {
        let stands_for_bytes = |text: &str| !text.is_empty() && byte_alphabet::bytes(text).is_some();
        let mut ids: Vec<u32> =
            self.vocab.iter().filter(|(text, _)| stands_for_bytes(text)).map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// Rank of each pair of ids. Of a pair given twice the last rank counts.
    pub(super) fn ranked_pairs(&self) -> Result<BTreeMap<(u32, u32), u32>, String> {
        let mut pairs = BTreeMap::new();
        for (merge, rank) in self.merges.iter().zip(0..) {
            let (left, right) = merge
                .parts()
                .ok_or_else(|| format!("model: merge {rank}: expected two tokens, found {merge:?}"))?;
            pairs.insert((self.id(left, rank)?, self.id(right, rank)?), rank);
        }
        Ok(pairs)
    }

    /// The token that the pair of each rank becomes.
    pub(super) fn merged_ids(&self) -> Result<Vec<u32>, String> {
        let merged = |(merge, rank): (&Merge, u32)| {
            let (left, right) = merge.parts().unwrap_or_default();
            self.id(&format!("{left}{right}"), rank)
        };
        self.merges.iter().zip(0..).map(merged).collect()
    }

    fn id(&self, text: &str, rank: u32) -> Result<u32, String> {
        let id = self.vocab.get(text).copied();
        id.ok_or_else(|| format!("model: merge {rank}: {text:?} is not in the vocabulary"))
    }
}
