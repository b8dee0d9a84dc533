//! Byte-level BPE: the rules that a pre-tokenizer's name stands for
//!
//! Files name the pre-tokenizer instead of giving its rules. The rules are those of the family's `tokenizer.json`; the
//! whole is then read as such a file, so that a model packed from either has the same tokenizer.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{MAX_MERGES, MERGES, PRE, TOKENS, Tokens, bounded, texts};
use crate::error::Error;
use crate::import::gguf::fields::Fields;
use crate::import::sentencepiece::PieceType;
use crate::import::tokenizer_json;
use crate::import::tokenizer_section::Vocabulary;

const LLAMA_3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const QWEN_2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// The rules that the name of a pre-tokenizer stands for.
struct Rules {
    normalizer: Value,
    pre_tokenizer: Value,
    ignore_merges: bool,
    /// Whether the begin-of-sequence token goes first where the file does not say.
    adds_bos: bool,
}

/// Byte-level BPE, read as the `tokenizer.json` that it was.
pub(super) fn read(fields: &Fields<'_>) -> Result<Vocabulary, Error> {
    let rules = rules(fields)?;
    let tokens = Tokens::read(fields)?;
    let merges = texts(bounded(fields, MERGES, MAX_MERGES)?, MERGES)?;
    let merged: HashSet<String> = merges.iter().map(|merge| merge.replacen(' ', "", 1)).collect();

    let mut vocab = Map::new();
    let mut added = Vec::new();
    for (id, (text, kind)) in tokens.texts.iter().zip(&tokens.kinds).enumerate() {
        let is_added = match kind {
            PieceType::Unused => continue,
            PieceType::Normal | PieceType::Byte => false,
            PieceType::Control | PieceType::Unknown | PieceType::UserDefined => true,
        };
        if is_added {
            let special = *kind != PieceType::UserDefined;
            added.push(json!({"id": id, "content": text, "special": special, "normalized": !special}));
        }
        // An added token that merges make is one of the model's own as well.
        if (!is_added || merged.contains(*text)) && vocab.insert((*text).into(), id.into()).is_some() {
            return Err(Error::new(TOKENS, format!("expected each token once, found {text:?} twice")));
        }
    }
    let file = json!({
        "added_tokens": added,
        "normalizer": rules.normalizer,
        "pre_tokenizer": rules.pre_tokenizer,
        "post_processor": template(fields, &tokens, rules.adds_bos)?,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": rules.ignore_merges},
    });
    tokenizer_json::read_with_gaps(file.to_string().as_bytes())
        .map_err(|problem| Error::new("tokenizer.ggml", problem))
}

/// What the pre-tokenizer's name stands for. Source: the rules in the `tokenizer.json` of the models that
/// llama.cpp's converter gives these names to.
fn rules(fields: &Fields<'_>) -> Result<Rules, Error> {
    let byte_level =
        |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": use_regex});
    let split = |expression: &str| {
        let split = json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false});
        json!({"type": "Sequence", "pretokenizers": [split, byte_level(false)]})
    };
    let nfc = || json!({"type": "NFC"});
    let rules = |normalizer, pre_tokenizer, ignore_merges, adds_bos| {
        Ok(Rules { normalizer, pre_tokenizer, ignore_merges, adds_bos })
    };
    let architecture = fields.text("general.architecture")?.unwrap_or_default();
    match (fields.text(PRE)?, architecture) {
        // The published 2B-4T file does not name the pre-tokenizer of its Llama-3 vocabulary.
        (Some("llama-bpe" | "llama3" | "llama-v3"), _) | (None, "bitnet-25" | "bitnet-b1.58") => {
            rules(Value::Null, split(LLAMA_3), true, true)
        }
        (Some("falcon3" | "falcon_e" | "falcon-e"), _) => rules(Value::Null, split(LLAMA_3), true, false),
        (Some("qwen2"), _) => rules(nfc(), split(QWEN_2), false, false),
        (Some("gpt-2" | "phi-2"), _) => rules(Value::Null, byte_level(true), false, false),
        // GPT-NeoX's vocabulary and its like.
        (Some("olmo"), _) => rules(nfc(), byte_level(true), false, false),
        (Some("falcon"), _) => {
            let steps = json!([
                {"type": "Punctuation", "behavior": "Contiguous"},
                byte_level(true),
                {"type": "Digits", "individual_digits": false},
                {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": false},
            ]);
            rules(Value::Null, json!({"type": "Sequence", "pretokenizers": steps}), false, false)
        }
        (found, _) => {
            let found = found.map_or_else(|| "no such key".into(), |name| format!("{name:?}"));
            let problem =
                format!("expected llama-bpe, falcon3, falcon_e, qwen2, gpt-2, olmo or falcon, found {found}");
            Err(Error::new(PRE, problem).hint("--no-tokenizer packs the weights alone, to be run on ids"))
        }
    }
}

/// The post-processor: which ids go before and after a text.
fn template(fields: &Fields<'_>, tokens: &Tokens<'_>, adds_bos: bool) -> Result<Value, Error> {
    let mut special_tokens = Map::new();
    let mut token = |adds: bool, key: &str| -> Result<Option<Value>, Error> {
        let Some(id) = fields.u32(key)?.filter(|_| adds) else { return Ok(None) };
        let text = tokens.texts.get(id as usize).ok_or_else(|| {
            Error::new(key, format!("expected an id below {}, found {id}", tokens.texts.len()))
        })?;
        special_tokens.insert((*text).into(), json!({"id": text, "ids": [id], "tokens": [text]}));
        Ok(Some(json!({"SpecialToken": {"id": text, "type_id": 0}})))
    };
    let adds = |key: &str, default| Ok::<_, Error>(fields.bool(key)?.unwrap_or(default));
    let before = token(adds("tokenizer.ggml.add_bos_token", adds_bos)?, "tokenizer.ggml.bos_token_id")?;
    let after = token(adds("tokenizer.ggml.add_eos_token", false)?, "tokenizer.ggml.eos_token_id")?;
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let single: Vec<Value> = [before, Some(text), after].into_iter().flatten().collect();
    Ok(json!({"type": "TemplateProcessing", "single": single, "special_tokens": special_tokens}))
}
