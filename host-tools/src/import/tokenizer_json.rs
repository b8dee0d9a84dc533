//! `tokenizer.json` of the Hugging Face `tokenizers` crate
//!
//! Read: byte-level BPE with the pre-tokenizers of Llama 3, GPT-2, Falcon and Qwen2, added tokens, and a post-processor
//! that puts ids before or after a text. Everything else is refused by name rather than read as something it is not. Ignored, as transformers does
//! when it encodes: `truncation` and `padding`.

mod model;
mod pipeline;
mod sentencepiece;

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use ternlet_runtime::tokenizer::layout::{
    ADDED_LSTRIP, ADDED_RSTRIP, ADDED_SECOND_PASS, ADDED_SINGLE_WORD, Kind,
};

use super::byte_alphabet;
use super::tokenizer_section::{AddedToken, Vocabulary};
use model::Model;

/// The parts of the file.
#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedEntry>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    model: Value,
}

/// An added token as the file has it.
#[derive(Debug, Deserialize)]
struct AddedEntry {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

impl AddedEntry {
    /// The flags as the section has them.
    fn flags(&self) -> u32 {
        let flags = [
            (self.normalized, ADDED_SECOND_PASS),
            (self.lstrip, ADDED_LSTRIP),
            (self.rstrip, ADDED_RSTRIP),
            (self.single_word, ADDED_SINGLE_WORD),
        ];
        flags.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag)
    }
}

/// Reads a `tokenizer.json`.
///
/// # Errors
/// What was expected and found, for people.
pub fn read(json: &[u8]) -> Result<Vocabulary, String> {
    let file: File = serde_json::from_slice(json).map_err(|e| format!("not a tokenizer.json: {e}"))?;
    if sentencepiece::is_meant(&file) {
        return sentencepiece::read(file);
    }
    pipeline::check_normalizer(&file.normalizer)?;
    let split = pipeline::split(&file.pre_tokenizer)?;
    pipeline::check_decoder(&file.decoder)?;
    let model = Model::read(file.model)?;
    model.check_byte_level()?;
    let (prefix_ids, suffix_ids) = pipeline::affixes(&file.post_processor)?;

    let mut texts = model.texts()?;
    for entry in &file.added_tokens {
        add_text(&mut texts, &model, entry)?;
    }
    let n_tokens = texts.len();
    if let Some(id) = prefix_ids.iter().chain(&suffix_ids).find(|id| **id as usize >= n_tokens) {
        return Err(format!("post_processor: id {id} is outside the vocabulary of {n_tokens}"));
    }

    let specials: HashSet<&str> =
        file.added_tokens.iter().filter(|entry| entry.special).map(|entry| &*entry.content).collect();
    Ok(Vocabulary {
        kind: Kind::ByteLevel(split),
        characters: BTreeMap::new(),
        special_ids: (0..)
            .zip(&texts)
            .filter(|(_, text)| specials.contains(&***text))
            .map(|(id, _)| id)
            .collect(),
        // A token with a character that stands for no byte is decoded as it is written.
        tokens: texts
            .iter()
            .map(|text| byte_alphabet::bytes(text).unwrap_or_else(|| text.clone().into_bytes()))
            .collect(),
        byte_ids: model.byte_ids(),
        merges: model.ranked_pairs()?,
        merge_ids: model.merged_ids()?,
        word_ids: model.word_ids(),
        ignore_merges: model.ignore_merges,
        added: file
            .added_tokens
            .iter()
            .filter(|entry| !entry.content.is_empty())
            .map(|entry| AddedToken { id: entry.id, content: entry.content.clone(), flags: entry.flags() })
            .collect(),
        prefix_ids,
        suffix_ids,
    })
}

/// Enters an added token's text under its id.
fn add_text(texts: &mut Vec<String>, model: &Model, entry: &AddedEntry) -> Result<(), String> {
    let AddedEntry { id, content, .. } = entry;
    if let Some(in_model) = model.vocab.get(content).filter(|in_model| *in_model != id) {
        return Err(format!(
            "added token {content:?}: expected its id {in_model} in the vocabulary, found {id}"
        ));
    }
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
    Ok(())
}
