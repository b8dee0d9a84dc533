//! The tokenizer of a file: what `tokenizer.json` would say, put together from metadata
//!
//! Files hold the vocabulary, the kind of each token, and the name of a pre-tokenizer instead of its rules. The rules
//! that a name stands for are those of the family's `tokenizer.json`; the whole is then read as such a file, so that a
//! model packed from either has the same tokenizer. Lost on the way into a GGUF, and so not restored: which added
//! tokens swallow the space around them, and which count as whole words only.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use ternlet_runtime::config::MAX_VOCAB;

use super::fields::Fields;
use super::value::{List, Value as Field};
use crate::error::Error;
use crate::import::chat_template::ChatSource;
use crate::import::tokenizer_json;
use crate::import::tokenizer_section::Vocabulary;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";
/// No vocabulary has more merges than this for each of its tokens.
const MAX_MERGES: usize = 8 * MAX_VOCAB as usize;

const LLAMA_3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const QWEN_2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// Kinds of tokens, by the codes of `llama_token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// A vocabulary as the file lists it.
struct Tokens<'a> {
    texts: Vec<&'a str>,
    kinds: Vec<Kind>,
}

/// The rules that the name of a pre-tokenizer stands for.
struct Rules {
    normalizer: Value,
    pre_tokenizer: Value,
    ignore_merges: bool,
    /// Whether the begin-of-sequence token goes first where the file does not say.
    adds_bos: bool,
}

/// Reads the tokenizer; `None` if the file has none.
///
/// # Errors
/// A tokenizer of another kind, or damaged.
pub(super) fn read(fields: &Fields<'_>) -> Result<Option<Vocabulary>, Error> {
    const MODEL: &str = "tokenizer.ggml.model";
    match fields.text(MODEL)? {
        None | Some("none" | "no_vocab") => Ok(None),
        Some("gpt2") => byte_level(fields).map(Some),
        Some(found) => Err(Error::new(MODEL, format!("expected gpt2 (byte-level BPE), found {found:?}"))),
    }
}

/// The chat template, if there is one, and the texts of the tokens that it may write.
pub(super) fn chat(fields: &Fields<'_>) -> Result<ChatSource, Error> {
    const TEMPLATE: &str = "tokenizer.chat_template";
    let token = |key: &str| -> Result<Option<String>, Error> {
        let (Some(id), Some(list)) = (fields.u32(key)?, fields.list(TOKENS)?) else { return Ok(None) };
        Ok(match list.iter().nth(id as usize) {
            Some(Field::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
    };
    Ok(ChatSource {
        origin: TEMPLATE.into(),
        template: fields.text(TEMPLATE)?.map(String::from),
        others: Vec::new(),
        bos_token: token("tokenizer.ggml.bos_token_id")?,
        eos_token: token("tokenizer.ggml.eos_token_id")?,
    })
}

/// Ids of the control tokens that end a turn, by the names that chat formats give them.
pub(super) fn turn_ends(fields: &Fields<'_>) -> impl Iterator<Item = u32> {
    const NAMES: [&[u8]; 5] =
        [b"<|eot_id|>", b"<|im_end|>", b"<|end|>", b"<|endoftext|>", b"<|end_of_text|>"];
    let list = |key| fields.list(key).ok().flatten().into_iter().flat_map(|list| list.iter());
    let tokens = (0..).zip(list(TOKENS)).zip(list(TOKEN_TYPE));
    tokens.filter_map(|((id, text), kind)| match (text, kind) {
        (Field::Text(text), Field::Integer(3)) if NAMES.contains(&text) => Some(id),
        _ => None,
    })
}

impl<'a> Tokens<'a> {
    fn read(fields: &Fields<'a>) -> Result<Self, Error> {
        let list = bounded(fields, TOKENS, MAX_VOCAB as usize)?;
        let texts: Vec<&str> = texts(list, TOKENS)?;
        let kinds = match fields.list(TOKEN_TYPE)? {
            None => vec![Kind::Normal; texts.len()],
            Some(kinds) if kinds.len() == texts.len() => {
                kinds.iter().enumerate().map(kind).collect::<Result<_, _>>()?
            }
            Some(kinds) => {
                let (expected, found) = (texts.len(), kinds.len());
                let problem = format!("expected a type for each of {expected} tokens, found {found}");
                return Err(Error::new(TOKEN_TYPE, problem));
            }
        };
        Ok(Self { texts, kinds })
    }
}

fn kind((index, code): (usize, Field<'_>)) -> Result<Kind, Error> {
    match code {
        Field::Integer(1) => Ok(Kind::Normal),
        Field::Integer(2) => Ok(Kind::Unknown),
        Field::Integer(3) => Ok(Kind::Control),
        Field::Integer(4) => Ok(Kind::UserDefined),
        Field::Integer(5) => Ok(Kind::Unused),
        Field::Integer(6) => Ok(Kind::Byte),
        other => {
            let found = super::fields::brief(other);
            Err(Error::new(TOKEN_TYPE, format!("expected types from 1 to 6, found {found} at token {index}")))
        }
    }
}

/// The list under `key`, of at most `max` elements.
fn bounded<'a>(fields: &Fields<'a>, key: &str, max: usize) -> Result<List<'a>, Error> {
    match fields.list(key)? {
        Some(list) if list.len() <= max => Ok(list),
        Some(list) => Err(Error::new(key, format!("expected at most {max} elements, found {}", list.len()))),
        None => Err(Error::new(key, "expected a list, found no such key")
            .hint("--no-tokenizer packs the weights alone, to be run on ids")),
    }
}

fn texts<'a>(list: List<'a>, key: &str) -> Result<Vec<&'a str>, Error> {
    let text = |(index, element): (usize, Field<'a>)| {
        match element {
            Field::Text(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        }
        .ok_or_else(|| Error::new(key, format!("expected UTF-8 text, found none in element {index}")))
    };
    list.iter().enumerate().map(text).collect()
}

/// Byte-level BPE, read as the `tokenizer.json` that it was.
fn byte_level(fields: &Fields<'_>) -> Result<Vocabulary, Error> {
    let rules = rules(fields)?;
    let tokens = Tokens::read(fields)?;
    let merges = texts(bounded(fields, MERGES, MAX_MERGES)?, MERGES)?;
    let merged: HashSet<String> = merges.iter().map(|merge| merge.replacen(' ', "", 1)).collect();

    let mut vocab = Map::new();
    let mut added = Vec::new();
    for (id, (text, kind)) in tokens.texts.iter().zip(&tokens.kinds).enumerate() {
        let is_added = match kind {
            Kind::Unused => continue,
            Kind::Normal | Kind::Byte => false,
            Kind::Control | Kind::Unknown | Kind::UserDefined => true,
        };
        if is_added {
            let special = *kind != Kind::UserDefined;
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
    tokenizer_json::read(file.to_string().as_bytes()).map_err(|problem| Error::new("tokenizer.ggml", problem))
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
