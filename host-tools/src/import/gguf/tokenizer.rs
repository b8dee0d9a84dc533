//! The tokenizer of a file: a vocabulary with the kind of each token, and a few switches
//!
//! Lost on the way into a GGUF, and so not restored: which added tokens swallow the space around them, and which count
//! as whole words only.

mod byte_level;
mod sentencepiece;

use ternlet_runtime::config::MAX_VOCAB;

use super::fields::{Fields, brief};
use super::value::{List, Value as Field};
use crate::error::Error;
use crate::import::chat_template::ChatSource;
use crate::import::sentencepiece::PieceType;
use crate::import::tokenizer_section::Vocabulary;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";
/// No vocabulary has more merges than this for each of its tokens.
const MAX_MERGES: usize = 8 * MAX_VOCAB as usize;

/// A vocabulary as the file lists it.
struct Tokens<'a> {
    texts: Vec<&'a str>,
    kinds: Vec<PieceType>,
}

/// Reads the tokenizer; `None` if the file has none.
///
/// # Errors
/// A tokenizer of another kind, or damaged.
pub(super) fn read(fields: &Fields<'_>) -> Result<Option<Vocabulary>, Error> {
    const MODEL: &str = "tokenizer.ggml.model";
    match fields.text(MODEL)? {
        None | Some("none" | "no_vocab") => Ok(None),
        Some("gpt2") => byte_level::read(fields).map(Some),
        Some("llama") => sentencepiece::read(fields).map(Some),
        Some(found) => {
            let expected = "gpt2 (byte-level BPE) or llama (SentencePiece)";
            Err(Error::new(MODEL, format!("expected {expected}, found {found:?}")))
        }
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
            None => vec![PieceType::Normal; texts.len()],
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

fn kind((index, code): (usize, Field<'_>)) -> Result<PieceType, Error> {
    let known = match code {
        Field::Integer(number) => i64::try_from(number).ok().and_then(PieceType::from_number),
        _ => None,
    };
    known.ok_or_else(|| {
        let problem = format!("expected types from 1 to 6, found {} at token {index}", brief(code));
        Error::new(TOKEN_TYPE, problem)
    })
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
