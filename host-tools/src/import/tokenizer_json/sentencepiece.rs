//! `tokenizer.json` of a SentencePiece vocabulary: BPE over characters, spaces written as marks
//!
//! Two pipelines are read: the normalizer `Prepend` and `Replace` (Llama 2), and the pre-tokenizer `Metaspace` (Mistral,
//! and what transformers writes). Other normalizers, above all `Precompiled` and `NFKC`, are refused by name.
//!
//! One difference to the `tokenizers` crate is meant: an added token with `normalized` and `special` is left out when
//! special tokens are to be left out of decoded text. The crate looks for it by its normalised text and does not find it.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use ternlet_runtime::tokenizer::layout::{ADDED_SECOND_PASS, Kind};
use ternlet_runtime::tokenizer::sentencepiece::{Leading, Prefix, SentencePiece, WordStart};

use super::added::{self, AddedEntry};
use super::model::Model;
use super::pipeline::{affixes, kind, steps};
use super::{File, Vocabulary};
use crate::import::sentencepiece::words::{as_decoded, named_byte, single_character, word_start};
use crate::import::tokenizer_section::AddedToken;

/// The mark as files write it.
const MARK: &str = "\u{2581}";

/// Whether the file is of this kind: no bytes in disguise, and something that works on marks or on tokens of bytes.
pub(super) fn is_meant(file: &File) -> bool {
    let normalizers = steps(&file.normalizer, "normalizers");
    let parts = [steps(&file.pre_tokenizer, "pretokenizers"), steps(&file.decoder, "decoders"), normalizers];
    let mut kinds = parts.iter().flatten().map(|step| kind(step));
    let is_byte_level = kinds.clone().any(|kind| kind == "ByteLevel");
    let has_marks = kinds.any(|kind| matches!(kind, "Metaspace" | "Prepend" | "Replace" | "ByteFallback"));
    !is_byte_level && (has_marks || file.model["byte_fallback"] == true)
}

/// Reads the parts of such a file.
pub(super) fn read(file: File) -> Result<Vocabulary, String> {
    let model = Model::read(file.model)?;
    let spaces = Spaces::read(&file.normalizer, &file.pre_tokenizer)?;
    let decoder = Decoder::read(&file.decoder)?;
    let (prefix_ids, suffix_ids) = affixes(&file.post_processor)?;

    let mut texts = model.texts()?;
    for entry in &file.added_tokens {
        added::enter(&mut texts, &model, entry, &entry.content)?;
    }
    let n_tokens = texts.len();
    if let Some(id) = prefix_ids.iter().chain(&suffix_ids).find(|id| **id as usize >= n_tokens) {
        return Err(format!("post_processor: id {id} is outside the vocabulary of {n_tokens}"));
    }
    let added_entries = || file.added_tokens.iter().filter(|entry| !entry.content.is_empty());
    let added: Vec<AddedToken> =
        added_entries().map(|entry| spaces.added_token(entry)).collect::<Result<_, String>>()?;

    let byte_ids = if model.byte_fallback { model.named_byte_ids() } else { [None; 256] };
    let mut tokens = decoder.tokens(&texts, &byte_ids)?;
    for token in added.iter().filter(|token| spaces.rewrites(token)) {
        // The crate decodes a normalised token as it was normalised.
        tokens[token.id as usize] = token.content.clone().into_bytes();
    }
    let characters: BTreeMap<char, u32> =
        model.vocab.iter().filter_map(|(text, id)| Some((single_character(text)?, *id))).collect();
    let merges = model.ranked_pairs()?;
    let unknown_id = model.unknown_id()?;
    let word_start = match spaces.splits {
        true => WordStart::EverySpace,
        // With ignore_merges a whole stretch may be a token.
        false if model.ignore_merges => WordStart::Nowhere,
        false => {
            let drops_characters = unknown_id.is_none() && byte_ids.contains(&None);
            word_start(&texts, &merges, &characters, drops_characters)
        }
    };
    let specials: HashSet<&str> =
        file.added_tokens.iter().filter(|entry| entry.special).map(|entry| &*entry.content).collect();
    let is_word =
        |text: &str, id: u32| !text.contains(' ') && tokens[id as usize] == as_decoded(text).as_bytes();
    let mut word_ids: Vec<u32> =
        model.vocab.iter().filter(|(text, id)| is_word(text, **id)).map(|(_, id)| *id).collect();
    word_ids.sort_unstable();
    Ok(Vocabulary {
        kind: Kind::SentencePiece(SentencePiece {
            prefix: spaces.prefix,
            prefix_spares_spaces: spaces.spares_spaces,
            second_pass_sees_prefix: spaces.is_normalizer,
            word_start,
            fuses_unknown: model.fuse_unk,
            leading: decoder.leading,
            unknown_id,
        }),
        special_ids: (0..)
            .zip(&texts)
            .filter(|(_, text)| specials.contains(&***text))
            .map(|(id, _)| id)
            .collect(),
        tokens,
        byte_ids,
        merges,
        merge_ids: model.merged_ids()?,
        characters,
        word_ids,
        ignore_merges: model.ignore_merges,
        added,
        prefix_ids,
        suffix_ids,
    })
}

/// How the pipeline turns spaces into marks.
struct Spaces {
    prefix: Prefix,
    spares_spaces: bool,
    /// Whether that happens before added tokens of the second pass are looked for.
    is_normalizer: bool,
    /// Whether every mark starts a word.
    splits: bool,
}

impl Spaces {
    fn read(normalizer: &Value, pre_tokenizer: &Value) -> Result<Self, String> {
        let normalizers: Vec<&Value> =
            steps(normalizer, "normalizers").into_iter().filter(|step| !is_identity(step)).collect();
        let pre_tokenizers = steps(pre_tokenizer, "pretokenizers");
        match (&normalizers[..], &pre_tokenizers[..]) {
            ([], [metaspace]) if kind(metaspace) == "Metaspace" => Self::metaspace(metaspace),
            ([_, ..], []) => Self::normalizer(&normalizers),
            _ => {
                let kinds = |steps: &[&Value]| {
                    let kinds: Vec<&str> = steps.iter().map(|step| kind(step)).collect();
                    kinds.join(", ")
                };
                Err(format!(
                    "expected the normalizer [Prepend, Replace] without a pre_tokenizer, or the pre_tokenizer \
                     [Metaspace] without a normalizer, found the normalizer [{}] and the pre_tokenizer [{}]",
                    kinds(&normalizers),
                    kinds(&pre_tokenizers)
                ))
            }
        }
    }

    fn normalizer(steps: &[&Value]) -> Result<Self, String> {
        let (mut prefix, mut has_replace) = (Prefix::Never, false);
        for step in steps {
            match kind(step) {
                "Prepend" if step["prepend"] == MARK && prefix == Prefix::Never => {
                    prefix = Prefix::EveryStretch;
                }
                "Replace" if step["pattern"] == json!({"String": " "}) && step["content"] == MARK => {
                    has_replace = true;
                }
                "Prepend" | "Replace" => {
                    return Err(format!(
                        "normalizer: expected a mark ({MARK}) prepended once and put for each space, found {step}"
                    ));
                }
                other => return Err(format!("normalizer: {other} is not supported")),
            }
        }
        match has_replace {
            true => Ok(Self { prefix, spares_spaces: false, is_normalizer: true, splits: false }),
            false => Err("normalizer: expected Replace, which writes spaces as marks, found none".into()),
        }
    }

    fn metaspace(step: &Value) -> Result<Self, String> {
        check_mark(step, "pre_tokenizer")?;
        let prefix = scheme(step, "pre_tokenizer")?;
        let splits = step.get("split").is_none_or(|split| *split != false);
        Ok(Self { prefix, spares_spaces: true, is_normalizer: false, splits })
    }

    /// Whether the content of `token` is other than the file's.
    fn rewrites(&self, token: &AddedToken) -> bool {
        self.is_normalizer && token.flags & ADDED_SECOND_PASS != 0
    }

    /// The token as the section has it: one of the second pass as the normalizer leaves it.
    fn added_token(&self, entry: &AddedEntry) -> Result<AddedToken, String> {
        let mut token = AddedToken { id: entry.id, content: entry.content.clone(), flags: entry.flags() };
        if self.rewrites(&token) {
            if token.flags != ADDED_SECOND_PASS {
                return Err(format!(
                    "added token {:?}: lstrip, rstrip and single_word are not supported together with normalized",
                    entry.content
                ));
            }
            let prefix = if self.prefix == Prefix::Never { "" } else { " " };
            token.content = format!("{prefix}{}", as_decoded(&entry.content));
        }
        Ok(token)
    }
}

/// How the decoder turns tokens into text.
struct Decoder {
    leading: Leading,
    has_byte_fallback: bool,
}

impl Decoder {
    fn read(decoder: &Value) -> Result<Self, String> {
        let steps = steps(decoder, "decoders");
        let kinds: Vec<&str> = steps.iter().map(|step| kind(step)).collect();
        let (Some(first), rest) = (steps.first(), kinds.get(1..).unwrap_or_default()) else {
            return Err(
                "decoder: expected [Replace, ByteFallback, Fuse, Strip] or [Metaspace], found none".into()
            );
        };
        let marks_leading = match kinds[0] {
            "Replace" if first["pattern"] == json!({"String": MARK}) && first["content"] == " " => {
                Leading::Keep
            }
            "Metaspace" => {
                check_mark(first, "decoder")?;
                match scheme(first, "decoder")? {
                    Prefix::Never => Leading::Keep,
                    Prefix::TextStart | Prefix::EveryStretch => Leading::SpacesOfFirstToken,
                }
            }
            _ => return Err(format!("decoder: expected marks to become spaces first, found {first}")),
        };
        let (has_byte_fallback, rest) = match rest {
            ["ByteFallback", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let strips = match rest {
            [] | ["Fuse"] => false,
            ["Fuse", "Strip"] => true,
            _ => {
                return Err(format!(
                    "decoder: expected Replace or Metaspace, then ByteFallback, Fuse and Strip or some of them, \
                     found [{}]",
                    kinds.join(", ")
                ));
            }
        };
        let strip = steps.last().filter(|_| strips);
        if let Some(strip) =
            strip.filter(|strip| strip["content"] != " " || strip["start"] != 1 || strip["stop"] != 0)
        {
            return Err(format!("decoder: expected Strip of one space at the start, found {strip}"));
        }
        let leading = match (marks_leading, strip) {
            (leading, None) => leading,
            (Leading::Keep, Some(_)) => Leading::OneSpace,
            (_, Some(_)) => {
                return Err("decoder: Metaspace that drops marks, with Strip, is not supported".into());
            }
        };
        Ok(Self { leading, has_byte_fallback })
    }

    /// What each token decodes to.
    fn tokens(&self, texts: &[String], byte_ids: &[Option<u32>; 256]) -> Result<Vec<Vec<u8>>, String> {
        let token = |(id, text): (u32, &String)| match named_byte(text).filter(|_| self.has_byte_fallback) {
            Some(byte) if byte_ids[usize::from(byte)] == Some(id) => Ok(vec![byte]),
            Some(_) => Err(format!(
                "decoder: expected ByteFallback to concern the model's tokens of bytes alone, found {text:?}"
            )),
            None if self.leading == Leading::SpacesOfFirstToken && text.contains(' ') => {
                Err(format!("decoder: expected marks in place of spaces, found {text:?}"))
            }
            None => Ok(as_decoded(text).into_bytes()),
        };
        (0..).zip(texts).map(token).collect()
    }
}

/// Whether a normalizer leaves every text as it is.
fn is_identity(step: &Value) -> bool {
    kind(step) == "Precompiled" && step["precompiled_charsmap"].as_str().is_none_or(str::is_empty)
}

fn check_mark(metaspace: &Value, part: &str) -> Result<(), String> {
    match metaspace["replacement"] == MARK {
        true => Ok(()),
        false => Err(format!("{part}: expected Metaspace with {MARK}, found {}", metaspace["replacement"])),
    }
}

/// Where `Metaspace` puts a mark in front.
fn scheme(metaspace: &Value, part: &str) -> Result<Prefix, String> {
    match metaspace.get("prepend_scheme").and_then(Value::as_str) {
        Some("never") => Ok(Prefix::Never),
        _ if metaspace["add_prefix_space"] == false => Ok(Prefix::Never),
        Some("first") => Ok(Prefix::TextStart),
        None | Some("always") => Ok(Prefix::EveryStretch),
        Some(other) => Err(format!("{part}: expected prepend_scheme always, first or never, found {other}")),
    }
}
