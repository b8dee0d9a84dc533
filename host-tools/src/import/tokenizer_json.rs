//! `tokenizer.json` of the Hugging Face `tokenizers` crate
//!
//! Read: byte-level BPE with the pre-tokenizers of Llama 3, GPT-2, Falcon and Qwen2, with or without NFC, added tokens,
//! and a post-processor that puts ids before or after a text. Beside this file transformers ignores `add_bos_token` and
//! `add_eos_token` of `tokenizer_config.json`, and so do we; `truncation` and `padding` are ignored as well. Everything
//! else is refused by name rather than read as something it is not.

mod added;
mod model;
mod pipeline;
mod sentencepiece;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use ternlet_runtime::tokenizer::layout::Kind;

use super::byte_alphabet;
use super::tokenizer_section::Vocabulary;
use added::AddedEntry;
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

/// Reads a `tokenizer.json`.
///
/// # Errors
/// What was expected and found, for people.
pub fn read(json: &[u8]) -> Result<Vocabulary, String> {
    read_numbered(json, true)
}

/// Reads a `tokenizer.json` whose added tokens may leave gaps in the vocabulary, as those of other formats do that list
/// all tokens in one table.
///
/// # Errors
/// As [`read`].
pub(super) fn read_with_gaps(json: &[u8]) -> Result<Vocabulary, String> {
    read_numbered(json, false)
}

fn read_numbered(json: &[u8], is_numbered_by_crate: bool) -> Result<Vocabulary, String> {
    let file: File = serde_json::from_slice(json).map_err(|e| format!("not a tokenizer.json: {e}"))?;
    if sentencepiece::is_meant(&file) {
        return sentencepiece::read(file);
    }
    let normaliser = pipeline::normaliser(&file.normalizer)?;
    let split = pipeline::split(&file.pre_tokenizer)?;
    pipeline::check_decoder(&file.decoder)?;
    let model = Model::read(file.model)?;
    model.check_byte_level()?;
    let (prefix_ids, suffix_ids) = pipeline::affixes(&file.post_processor)?;

    let mut texts = model.texts()?;
    let (added, special_ids) = added::read(&file.added_tokens, &model, normaliser, &mut texts)?;
    if is_numbered_by_crate {
        added::check_numbers(&file.added_tokens, &model)?;
    }
    let n_tokens = texts.len();
    if let Some(id) = prefix_ids.iter().chain(&suffix_ids).find(|id| **id as usize >= n_tokens) {
        return Err(format!("post_processor: id {id} is outside the vocabulary of {n_tokens}"));
    }

    Ok(Vocabulary {
        kind: Kind::ByteLevel(normaliser, split),
        characters: BTreeMap::new(),
        special_ids,
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
        added,
        prefix_ids,
        suffix_ids,
    })
}
