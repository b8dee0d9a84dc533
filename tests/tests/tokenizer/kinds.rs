//! The kinds of byte-level tokenizers: the golden vocabulary with the pipeline of each
//!
//! All have added tokens with every flag beside the golden ones.

use serde_json::{Value, json};
use ternlet_runtime::tokenizer::layout::{Header, Kind};
use ternlet_runtime::tokenizer::split::Split;

use super::support::{golden_json, section_of, with_nfc};

/// A tokenizer in JSON.
pub(crate) struct ByteLevelKind {
    pub(crate) name: &'static str,
    pub(crate) json: Value,
}

impl ByteLevelKind {
    /// Its TOKENIZER section.
    pub(crate) fn section(&self) -> Vec<u8> {
        section_of(&self.json)
    }

    /// Its split.
    pub(crate) fn split(&self) -> Split {
        match Header::decode(&self.section()).expect("a section").kind {
            Kind::ByteLevel(_, split) => split,
            Kind::SentencePiece(_) => panic!("{} is byte-level", self.name),
        }
    }

    /// The same tokenizer by the `tokenizers` crate.
    pub(crate) fn oracle(&self) -> tokenizers::Tokenizer {
        tokenizers::Tokenizer::from_bytes(self.json.to_string()).expect("a file of that crate")
    }
}

/// All kinds.
pub(crate) fn kinds() -> Vec<ByteLevelKind> {
    let byte_level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
    let split = |expression: &str| json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false});
    let qwen2 = concat!(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    );
    let falcon = [
        json!({"type": "Punctuation", "behavior": "Contiguous"}),
        byte_level(true),
        json!({"type": "Digits", "individual_digits": false}),
        split("[0-9][0-9][0-9]"),
    ];
    let with = |pre_tokenizer: Value| {
        let mut json = with_more_tokens(golden_json());
        json["pre_tokenizer"] = pre_tokenizer;
        // The golden vocabulary takes words that are tokens unmerged; these kinds merge them.
        json["model"]["ignore_merges"] = json!(false);
        json
    };
    vec![
        ByteLevelKind { name: "Llama 3", json: with_more_tokens(golden_json()) },
        ByteLevelKind { name: "GPT-2", json: with(byte_level(true)) },
        ByteLevelKind { name: "GPT-NeoX", json: with_nfc(with(byte_level(true))) },
        ByteLevelKind { name: "Falcon", json: with(json!({"type": "Sequence", "pretokenizers": falcon})) },
        ByteLevelKind {
            name: "Qwen2",
            json: with_nfc(with(
                json!({"type": "Sequence", "pretokenizers": [split(qwen2), byte_level(false)]}),
            )),
        },
    ]
}

/// The tokenizer with added tokens of every flag.
fn with_more_tokens(mut tokenizer: Value) -> Value {
    let more = json!([
        {"content": "<ls>", "special": true, "normalized": false, "lstrip": true},
        {"content": "<rs>", "special": true, "normalized": false, "rstrip": true},
        {"content": "<both>", "special": false, "normalized": true, "lstrip": true, "rstrip": true},
        {"content": "<word>", "special": false, "normalized": false, "single_word": true},
        {"content": "wor", "special": true, "normalized": true, "single_word": true, "lstrip": true},
        {"content": "  <ws>", "special": false, "normalized": false, "lstrip": true, "rstrip": true},
        {"content": "\t", "special": false, "normalized": false, "rstrip": true},
        {"content": "e\u{301}", "special": false, "normalized": true},
        {"content": "\u{212b}", "special": false, "normalized": false},
        {"content": "s\u{307}", "special": false, "normalized": true, "rstrip": true},
    ]);
    let tokens = tokenizer["added_tokens"].as_array_mut().expect("a list");
    for token in more.as_array().expect("a list") {
        let mut entry = json!({"single_word": false, "lstrip": false, "rstrip": false});
        let id = tokens.last().expect("golden tokens")["id"].as_u64().expect("an id") + 1;
        entry["id"] = json!(id);
        for (key, value) in token.as_object().expect("an object") {
            entry[key] = value.clone();
        }
        tokens.push(entry);
    }
    tokenizer
}
