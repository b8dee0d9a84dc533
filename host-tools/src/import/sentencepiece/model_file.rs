//! The file `tokenizer.model`: a protocol buffer of pieces and of how they were trained
//!
//! Only the fields that decide ids are read. Source: `sentencepiece_model.proto` of SentencePiece.

#[cfg(test)]
mod tests;

use prost::Message;
use ternlet_runtime::tokenizer::sentencepiece::Prefix;

use super::options::TokenizerOptions;
use super::pieces::{Convention, PieceType, Pieces};
use crate::import::tokenizer_section::Vocabulary;

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<PieceProto>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<TrainerProto>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<NormalizerProto>,
}

/// `ModelProto.SentencePiece`.
#[derive(Clone, PartialEq, Message)]
struct PieceProto {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

/// `TrainerSpec`.
#[derive(Clone, PartialEq, Message)]
struct TrainerProto {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    treat_whitespace_as_suffix: Option<bool>,
    #[prost(int32, optional, tag = "40")]
    unk_id: Option<i32>,
    #[prost(int32, optional, tag = "41")]
    bos_id: Option<i32>,
    #[prost(int32, optional, tag = "42")]
    eos_id: Option<i32>,
}

/// `NormalizerSpec`.
#[derive(Clone, PartialEq, Message)]
struct NormalizerProto {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    escape_whitespaces: Option<bool>,
}

/// `TrainerSpec.ModelType`, by number.
const MODEL_TYPES: [&str; 5] = ["none", "Unigram", "BPE", "Word", "Char"];

/// Reads a `tokenizer.model` as `options` want it to be read.
///
/// # Errors
/// What was expected and found, for people.
pub fn read(file: &[u8], options: &TokenizerOptions) -> Result<Vocabulary, String> {
    let model = ModelProto::decode(file).map_err(|e| format!("not a SentencePiece model: {e}"))?;
    if model.pieces.is_empty() {
        return Err("not a SentencePiece model: expected pieces, found none".into());
    }
    let trainer = model.trainer.unwrap_or_default();
    let normalizer = model.normalizer.unwrap_or_default();
    check(&trainer, &normalizer)?;
    let types = model.pieces.iter().zip(0..).map(|(piece, id): (_, u32)| {
        let number = piece.kind.unwrap_or(1);
        let kind = PieceType::from_number(number.into());
        kind.ok_or_else(|| format!("piece {id}: expected a type from 1 to 6, found {number}"))
    });
    let types: Vec<PieceType> = types.collect::<Result<_, String>>()?;
    let texts: Vec<String> =
        model.pieces.iter().map(|piece| piece.text.clone().unwrap_or_default()).collect();

    let convention = match options.class.as_deref() {
        Some("LlamaTokenizer") => Convention::Transformers5,
        _ => Convention::SentencePiece,
    };
    // Wrappers of SentencePiece put a space before every stretch unless told otherwise, transformers 5 the other way.
    let every_stretch = options.legacy.unwrap_or(convention == Convention::SentencePiece);
    let prefix = match options.add_prefix_space.or(normalizer.add_dummy_prefix) {
        Some(false) => Prefix::Never,
        _ if every_stretch => Prefix::EveryStretch,
        _ => Prefix::TextStart,
    };
    let id = |token: &Option<String>, default: i32| {
        let in_pieces = |token: &String| texts.iter().position(|text| text == token);
        let named = token.as_ref().and_then(|token| {
            let extra = options.added.iter().find(|extra| extra.token.content == *token);
            in_pieces(token).and_then(|id| u32::try_from(id).ok()).or(extra.map(|extra| extra.token.id))
        });
        named.or(u32::try_from(default).ok())
    };
    let bos = id(&options.bos_token, trainer.bos_id.unwrap_or(1));
    let eos = id(&options.eos_token, trainer.eos_id.unwrap_or(2));
    let pieces = Pieces {
        scores: model.pieces.iter().map(|piece| piece.score.unwrap_or(0.0)).collect(),
        types,
        convention,
        prefix,
        unknown_id: match convention {
            Convention::SentencePiece => u32::try_from(trainer.unk_id.unwrap_or(0)).ok(),
            // Its model is built without one.
            Convention::Transformers5 => None,
        },
        extra: options.added.clone(),
        prefix_ids: bos.filter(|_| options.add_bos_token != Some(false)).into_iter().collect(),
        suffix_ids: eos.filter(|_| options.add_eos_token).into_iter().collect(),
        texts,
    };
    pieces.vocabulary()
}

/// Refuses what would give other ids.
fn check(trainer: &TrainerProto, normalizer: &NormalizerProto) -> Result<(), String> {
    let model_type = trainer.model_type.unwrap_or(1);
    if model_type != 2 {
        let name = usize::try_from(model_type).ok().and_then(|number| MODEL_TYPES.get(number));
        return Err(format!(
            "expected a SentencePiece model of type BPE, found {}",
            name.map_or_else(|| format!("type {model_type}"), ToString::to_string)
        ));
    }
    let name = normalizer.name.as_deref().unwrap_or("without a name");
    let unsupported = [
        (
            normalizer.precompiled_charsmap.as_ref().is_some_and(|map| !map.is_empty()),
            format!("Unicode normalisation ({name})"),
        ),
        (normalizer.remove_extra_whitespaces != Some(false), "remove_extra_whitespaces".into()),
        (
            normalizer.escape_whitespaces == Some(false),
            "spaces without marks (escape_whitespaces: false)".into(),
        ),
        (trainer.treat_whitespace_as_suffix == Some(true), "treat_whitespace_as_suffix".into()),
    ];
    match unsupported.into_iter().find(|(is_used, _)| *is_used) {
        Some((_, what)) => Err(format!("a SentencePiece model with {what} is not supported")),
        None => Ok(()),
    }
}
