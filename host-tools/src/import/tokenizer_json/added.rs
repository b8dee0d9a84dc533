//! The `added_tokens` list: tokens recognised in raw text
//!
//! The `tokenizers` crate gives each token the id that the vocabulary has for it, and numbers the others upwards from the
//! vocabulary's size, whatever the file says. A file that says otherwise is refused.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use ternlet_runtime::tokenizer::layout::{
    ADDED_LSTRIP, ADDED_RSTRIP, ADDED_SECOND_PASS, ADDED_SINGLE_WORD, Normaliser,
};
use ternlet_runtime::tokenizer::nfc;

use super::super::tokenizer_section::AddedToken;
use super::model::Model;

/// An added token as the file has it.
#[derive(Debug, Deserialize)]
pub(super) struct AddedEntry {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    pub(super) special: bool,
}

impl AddedEntry {
    /// The flags as the section has them.
    pub(super) fn flags(&self) -> u32 {
        let flags = [
            (self.normalized, ADDED_SECOND_PASS),
            (self.lstrip, ADDED_LSTRIP),
            (self.rstrip, ADDED_RSTRIP),
            (self.single_word, ADDED_SINGLE_WORD),
        ];
        flags.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag)
    }

    /// What is recognised and decoded to: in normal form if it is looked for in normalised text.
    fn recognised(&self, normaliser: Normaliser) -> Result<String, String> {
        let content = &self.content;
        if !self.normalized || normaliser == Normaliser::None || nfc::is_normal(content) {
            return Ok(content.clone());
        }
        let mut normal = vec![0; content.len() * nfc::MAX_EXPANSION];
        let n = nfc::normalise(content, &mut normal).unwrap_or(0);
        normal.truncate(n);
        let normal = String::from_utf8(normal).unwrap_or_default();
        if self.special && normal != *content {
            return Err(format!("added token {content:?}: special and not in normal form is not supported"));
        }
        Ok(normal)
    }
}

/// Checks that the `tokenizers` crate gives the tokens that the vocabulary lacks the ids that the file has.
pub(super) fn check_numbers(entries: &[AddedEntry], model: &Model) -> Result<(), String> {
    let mut numbered = HashMap::new();
    let mut next_id = u32::try_from(model.vocab.len()).unwrap_or(u32::MAX);
    for AddedEntry { id, content, .. } in entries {
        if content.is_empty() || model.vocab.contains_key(content) {
            continue;
        }
        let expected = *numbered.entry(content).or_insert_with(|| {
            next_id = next_id.saturating_add(1);
            next_id - 1
        });
        if expected != *id {
            return Err(format!(
                "added token {content:?}: expected its id {expected} after the vocabulary, found {id}"
            ));
        }
    }
    Ok(())
}

/// Enters the texts of the added tokens under their ids, and gives the tokens and the ids of the special ones.
pub(super) fn read(
    entries: &[AddedEntry],
    model: &Model,
    normaliser: Normaliser,
    texts: &mut Vec<String>,
) -> Result<(Vec<AddedToken>, Vec<u32>), String> {
    let mut added: Vec<AddedToken> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut special_ids = BTreeSet::new();
    for entry in entries.iter().filter(|entry| !entry.content.is_empty()) {
        let AddedEntry { id, content, .. } = entry;
        let token = AddedToken { id: *id, content: entry.recognised(normaliser)?, flags: entry.flags() };
        if entry.special {
            special_ids.insert(*id);
        }
        enter(texts, model, entry, &token.content)?;
        // Of a token given twice the last flags count.
        match places.get(&**content) {
            Some(earlier) if added[*earlier].id == *id => added[*earlier] = token,
            Some(earlier) => {
                let earlier = added[*earlier].id;
                return Err(format!("added token {content:?}: expected one id, found {earlier} and {id}"));
            }
            None => {
                places.insert(content, added.len());
                added.push(token);
            }
        }
    }
    Ok((added, special_ids.into_iter().collect()))
}

/// Enters under an added token's id what it decodes to.
pub(super) fn enter(
    texts: &mut Vec<String>,
    model: &Model,
    entry: &AddedEntry,
    decoded: &str,
) -> Result<(), String> {
    let AddedEntry { id, content, .. } = entry;
    if let Some(in_model) = model.vocab.get(content).filter(|in_model| *in_model != id) {
        return Err(format!(
            "added token {content:?}: expected its id {in_model} in the vocabulary, found {id}"
        ));
    }
    let index = *id as usize;
    if index >= ternlet_runtime::config::MAX_VOCAB as usize {
        return Err(format!("added token {content:?}: id {index} is too large"));
    }
    if index >= texts.len() {
        texts.resize(index + 1, String::new());
    }
    if ![content, decoded, ""].contains(&&*texts[index]) {
        return Err(format!("added token {content:?}: its id {index} is that of {:?}", texts[index]));
    }
    decoded.clone_into(&mut texts[index]);
    Ok(())
}
