//! Which of a model's files packing needs
//!
//! The same choice serves a list from the hub and one from the cache. Weights in other forms (pickles, ONNX) are named in
//! the refusal and never downloaded.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::address::{Address, is_safe_path};
use crate::error::Error;

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";
const CONFIG_FILE: &str = "config.json";

/// Files beside the weights that say what they mean; all but the config may be absent.
const COMPANIONS: [&str; 10] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "modules.json",
    "1_Pooling/config.json",
];

/// The files of one model, in the order to fetch them: what says the least comes last and is the largest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// A checkpoint's folder.
    Folder {
        /// Config, tokenizer and their like.
        companions: Vec<String>,
        /// Where the weights are.
        weights: Weights,
    },
    /// One GGUF file, which holds all it needs.
    Gguf(String),
}

/// Where a checkpoint's weights are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Weights {
    /// In this file.
    Single(String),
    /// In the files that this index lists.
    Index(String),
}

impl Selection {
    /// Chooses among `files`, the names of all that there is.
    ///
    /// # Errors
    /// No weights that can be read, several that could be meant, or not the file that `address` names.
    pub(super) fn new(address: &Address, files: &[String]) -> Result<Self, Error> {
        let has = |name: &str| files.iter().any(|file| file == name);
        let refuse = |problem: String| Error::new(format!("hf:{}", address.repo), problem);
        let ending =
            |end: &str| files.iter().filter(|file| file.ends_with(end)).map(String::as_str).collect();
        let ggufs: Vec<&str> = ending(".gguf");
        if let Some(name) = &address.file {
            return match has(name) {
                true => Ok(Self::Gguf(name.clone())),
                false => {
                    Err(refuse(format!("expected the file {name}, found {}", some_of(&ggufs, ".gguf file"))))
                }
            };
        }
        let weights = match (has(INDEX_FILE), has(SINGLE_FILE)) {
            // As the importer has it: an index is believed before a single file.
            (true, _) => Some(Weights::Index(INDEX_FILE.into())),
            (false, true) => Some(Weights::Single(SINGLE_FILE.into())),
            (false, false) => None,
        };
        if let (Some(weights), true) = (weights, has(CONFIG_FILE)) {
            let companions = [CONFIG_FILE].into_iter().chain(COMPANIONS).filter(|name| has(name));
            return Ok(Self::Folder { companions: companions.map(str::to_owned).collect(), weights });
        }
        match ggufs[..] {
            [only] => Ok(Self::Gguf(only.into())),
            [] => {
                let safetensors: Vec<&str> = ending(".safetensors");
                let others: Vec<&str> =
                    [".bin", ".pt", ".pth", ".onnx"].iter().flat_map(|end| ending(end)).collect();
                let found = if safetensors.is_empty() { others } else { safetensors };
                let problem = format!(
                    "expected {CONFIG_FILE} with {SINGLE_FILE} or its shards, or a .gguf file, found {}",
                    some_of(&found, "file of weights")
                );
                Err(refuse(problem).hint("ternlet models lists models that can be packed"))
            }
            [first, ..] => {
                Err(refuse(format!("expected one .gguf file, found {}", some_of(&ggufs, ".gguf file")))
                    .hint(format!("name the one to pack: hf:{}:{first}", address.repo)))
            }
        }
    }
}

/// Names for a message, a few of many.
fn some_of(names: &[&str], kind: &str) -> String {
    const SHOWN: usize = 20;
    let shown: String = names.iter().take(SHOWN).map(|name| format!("\n    {name}")).collect();
    match names.len() {
        0 => format!("no {kind}"),
        n if n > SHOWN => format!("{n}:{shown}\n    ..."),
        n => format!("{n}:{shown}"),
    }
}

/// The files that the index at `path` lists.
pub(super) fn shards(path: &Path) -> Result<BTreeSet<String>, Error> {
    let refuse =
        |found: String| Error::new(path.display(), format!("expected an index of shards, found {found}"));
    let text = std::fs::read(path).map_err(|e| refuse(e.to_string()))?;
    let index: Value = serde_json::from_slice(&text).map_err(|e| refuse(e.to_string()))?;
    let map = index.get("weight_map").and_then(Value::as_object);
    let map = map.filter(|map| !map.is_empty()).ok_or_else(|| refuse("no weight_map".into()))?;
    map.values()
        .map(|file| match file.as_str() {
            Some(file) if is_safe_path(file) && !file.contains('/') => Ok(file.to_owned()),
            _ => Err(refuse(format!("the shard {file}"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(source: &str, files: &[&str]) -> Result<Selection, Error> {
        let files: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
        Selection::new(&Address::parse(source).unwrap().unwrap(), &files)
    }

    #[test]
    fn a_checkpoint_is_its_config_tokenizer_and_weights() {
        let files = [
            "model.safetensors",
            "README.md",
            "tokenizer.json",
            "config.json",
            "x.gguf",
            "flax_model.msgpack",
        ];
        let folder = |companions: &[&str], weights| Selection::Folder {
            companions: companions.iter().map(|&name| name.to_owned()).collect(),
            weights,
        };
        assert_eq!(
            choose("hf:a/b", &files).unwrap(),
            folder(&["config.json", "tokenizer.json"], Weights::Single("model.safetensors".into()))
        );
        let sharded =
            ["config.json", "model-00001-of-00002.safetensors", INDEX_FILE, "1_Pooling/config.json"];
        assert_eq!(
            choose("hf:a/b", &sharded).unwrap(),
            folder(&["config.json", "1_Pooling/config.json"], Weights::Index(INDEX_FILE.into()))
        );
        assert_eq!(choose("hf:a/b:x.gguf", &files).unwrap(), Selection::Gguf("x.gguf".into()));
    }

    #[test]
    fn one_gguf_file_is_taken_and_of_several_one_must_be_named() {
        assert_eq!(choose("hf:a/b", &["README.md", "q/x.gguf"]).unwrap(), Selection::Gguf("q/x.gguf".into()));
        let several = choose("hf:a/b", &["x.gguf", "y.gguf"]).unwrap_err().to_string();
        assert!(several.contains("x.gguf") && several.contains("y.gguf"), "{several}");
        assert!(several.contains("hf:a/b:x.gguf"), "{several}");
        let other = choose("hf:a/b:z.gguf", &["x.gguf"]).unwrap_err().to_string();
        assert!(other.contains("z.gguf") && other.contains("x.gguf"), "{other}");
    }

    #[test]
    fn weights_in_other_forms_are_named_and_refused() {
        for (files, named) in [
            (&["config.json", "pytorch_model.bin"][..], "pytorch_model.bin"),
            (&["adapter_model.safetensors", "adapter_config.json"], "adapter_model.safetensors"),
            (&["README.md"], "no file of weights"),
        ] {
            let refusal = choose("hf:a/b", files).unwrap_err().to_string();
            assert!(refusal.contains(named) && refusal.contains("ternlet models"), "{refusal}");
        }
    }
}
