//! What stands beside a `tokenizer.model`: `tokenizer_config.json` and `added_tokens.json`

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use ternlet_runtime::tokenizer::layout::{ADDED_LSTRIP, ADDED_RSTRIP, ADDED_SECOND_PASS, ADDED_SINGLE_WORD};

use super::pieces::ExtraToken;
use crate::error::Error;
use crate::import::tokenizer_section::AddedToken;

/// How the files beside a model want it to be read. The default is that of a model alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenizerOptions {
    /// The class of transformers that reads the model, without `Fast`.
    pub class: Option<String>,
    /// Whether a space is put before every stretch of text, not the first alone, if the file says.
    pub legacy: Option<bool>,
    /// Whether a space is put anywhere, if the file says.
    pub add_prefix_space: Option<bool>,
    /// The text of the token that begins a sequence.
    pub bos_token: Option<String>,
    /// The text of the token that ends one.
    pub eos_token: Option<String>,
    /// Whether encoding puts the first before a text, if the file says.
    pub add_bos_token: Option<bool>,
    /// Whether encoding puts the second after a text.
    pub add_eos_token: bool,
    /// Tokens that are recognised in raw text.
    pub added: Vec<ExtraToken>,
}

/// The fields of `tokenizer_config.json`; each is read for itself, since not all are as expected in every file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    tokenizer_class: Option<String>,
    legacy: Option<bool>,
    add_prefix_space: Option<bool>,
    add_bos_token: Option<bool>,
    add_eos_token: Option<bool>,
    added_tokens_decoder: BTreeMap<u32, Flagged>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// An added token with its flags.
#[derive(Debug, Deserialize)]
struct Flagged {
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

impl Config {
    /// The text of the token under `key`.
    fn token(&self, key: &str) -> Option<String> {
        let token = self.others.get(key)?;
        token.as_str().or_else(|| token["content"].as_str()).map(String::from)
    }

    /// Whether `content` is the text of a token with a role.
    fn has_role(&self, content: &str) -> bool {
        let is_role = |key: &str| key.ends_with("_token") && self.token(key).as_deref() == Some(content);
        let more = self.others.get("additional_special_tokens").and_then(Value::as_array);
        self.others.keys().any(|key| is_role(key))
            || more
                .into_iter()
                .flatten()
                .any(|token| token.as_str().or(token["content"].as_str()) == Some(content))
    }
}

impl TokenizerOptions {
    /// Reads the files in `directory`, as far as they exist.
    ///
    /// # Errors
    /// A file that cannot be read or is not what it should be.
    pub fn read_directory(directory: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = directory.join(name);
            let bytes = path.exists().then(|| std::fs::read(&path)).transpose();
            bytes.map_err(|e| Error::unreadable(path.display(), &e)).map(Option::unwrap_or_default)
        };
        let (config, added) = (read("tokenizer_config.json")?, read("added_tokens.json")?);
        Self::read(&config, &added).map_err(|problem| Error::new(directory.display(), problem))
    }

    /// Reads the contents of both files; an empty one is absent.
    ///
    /// # Errors
    /// What was expected and found, for people.
    pub fn read(config: &[u8], added_tokens: &[u8]) -> Result<Self, String> {
        let config: Config = match config {
            [] => Config::default(),
            json => serde_json::from_slice(json).map_err(|e| format!("not a tokenizer_config.json: {e}"))?,
        };
        let listed: BTreeMap<String, u32> = match added_tokens {
            [] => BTreeMap::new(),
            json => serde_json::from_slice(json).map_err(|e| format!("not an added_tokens.json: {e}"))?,
        };
        let mut added: BTreeMap<u32, ExtraToken> = BTreeMap::new();
        for (content, id) in listed {
            let is_special = config.has_role(&content);
            let flags = if is_special { 0 } else { ADDED_SECOND_PASS };
            added.insert(id, ExtraToken { token: AddedToken { id, content, flags }, is_special });
        }
        for (id, flagged) in &config.added_tokens_decoder {
            let flags = [
                (flagged.normalized, ADDED_SECOND_PASS),
                (flagged.lstrip, ADDED_LSTRIP),
                (flagged.rstrip, ADDED_RSTRIP),
                (flagged.single_word, ADDED_SINGLE_WORD),
            ];
            let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag);
            let token = AddedToken { id: *id, content: flagged.content.clone(), flags };
            let is_special = flagged.special || config.has_role(&flagged.content);
            added.insert(*id, ExtraToken { token, is_special });
        }
        let class = config.tokenizer_class.as_deref();
        Ok(Self {
            class: class.map(|class| class.strip_suffix("Fast").unwrap_or(class).into()),
            legacy: config.legacy,
            add_prefix_space: config.add_prefix_space,
            bos_token: config.token("bos_token"),
            eos_token: config.token("eos_token"),
            add_bos_token: config.add_bos_token,
            add_eos_token: config.add_eos_token == Some(true),
            added: added.into_values().collect(),
        })
    }
}
