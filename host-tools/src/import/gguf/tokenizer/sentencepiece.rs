//! SentencePiece BPE: pieces with scores, as `tokenizer.model` has them
//!
//! Defaults of absent keys are llama.cpp's (`llama-vocab.cpp`), which are those of Llama's own model.

use ternlet_runtime::tokenizer::sentencepiece::Prefix;

use super::{TOKENS, Tokens, bounded};
use crate::error::Error;
use crate::import::gguf::fields::Fields;
use crate::import::gguf::value::Value;
use crate::import::sentencepiece::{Convention, PieceType, Pieces};
use crate::import::tokenizer_section::Vocabulary;

const SCORES: &str = "tokenizer.ggml.scores";

/// Reads the pieces.
pub(super) fn read(fields: &Fields<'_>) -> Result<Vocabulary, Error> {
    for key in ["tokenizer.ggml.precompiled_charsmap", "tokenizer.ggml.remove_extra_whitespaces"] {
        let is_used = match fields.get(key) {
            Some(Value::List(list)) => !list.is_empty(),
            Some(value) => value != Value::Bool(false),
            None => false,
        };
        if is_used {
            return Err(Error::new(key, "expected no rewriting of text, found some")
                .hint("--no-tokenizer packs the weights alone, to be run on ids"));
        }
    }
    let tokens = Tokens::read(fields)?;
    let scores = scores(fields, &tokens)?;
    let id = |key: &str, default: u32| -> Result<Option<u32>, Error> {
        match fields.u32(key)? {
            Some(id) if (id as usize) < tokens.texts.len() => Ok(Some(id)),
            Some(id) => {
                Err(Error::new(key, format!("expected an id below {}, found {id}", tokens.texts.len())))
            }
            None => Ok(Some(default).filter(|id| (*id as usize) < tokens.texts.len())),
        }
    };
    let adds = |key: &str, default| Ok::<_, Error>(fields.bool(key)?.unwrap_or(default));
    let bos = id("tokenizer.ggml.bos_token_id", 1)?;
    let eos = id("tokenizer.ggml.eos_token_id", 2)?;
    let (adds_bos, adds_eos) =
        (adds("tokenizer.ggml.add_bos_token", true)?, adds("tokenizer.ggml.add_eos_token", false)?);
    let pieces = Pieces {
        scores,
        convention: Convention::SentencePiece,
        prefix: match adds("tokenizer.ggml.add_space_prefix", true)? {
            true => Prefix::EveryStretch,
            false => Prefix::Never,
        },
        unknown_id: id("tokenizer.ggml.unknown_token_id", 0)?,
        extra: Vec::new(),
        prefix_ids: bos.filter(|_| adds_bos).into_iter().collect(),
        suffix_ids: eos.filter(|_| adds_eos).into_iter().collect(),
        texts: tokens.texts.iter().map(ToString::to_string).collect(),
        types: tokens.kinds,
    };
    pieces.vocabulary().map_err(|problem| Error::new(TOKENS, problem))
}

/// The score of each piece, without which there is no saying what merges first.
fn scores(fields: &Fields<'_>, tokens: &Tokens<'_>) -> Result<Vec<f32>, Error> {
    let list = bounded(fields, SCORES, tokens.texts.len())?;
    #[expect(clippy::cast_possible_truncation, reason = "an f32 in every file")]
    let score = |value| match value {
        Value::Float(score) => Some(score as f32),
        _ => None,
    };
    let scores: Option<Vec<f32>> = list.iter().map(score).collect();
    let scores = scores
        .filter(|scores| scores.len() == tokens.texts.len())
        .ok_or_else(|| Error::new(SCORES, format!("expected {} scores, found others", tokens.texts.len())))?;
    let normal: Vec<f32> = scores
        .iter()
        .zip(&tokens.kinds)
        .filter(|(_, kind)| **kind == PieceType::Normal)
        .map(|(score, _)| *score)
        .collect();
    // Converters that know no scores write one number for all; the order of merges is then lost.
    if normal.len() > 1 && normal.iter().all(|score| *score == normal[0]) {
        return Err(Error::new(SCORES, "expected scores that rank pieces, found the same for all")
            .hint("the converter did not know them; pack the original checkpoint, or use --no-tokenizer"));
    }
    Ok(scores)
}
