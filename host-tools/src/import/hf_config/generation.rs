//! Special ids and sampling defaults

use ternlet_runtime::config::{MAX_EOS_TOKENS, SamplingDefaults};

use super::architecture::Defaults;
use super::f32_of;
use crate::error::Error;
use crate::import::json_fields::JsonFields;

/// The id that starts a sequence, if any.
pub(super) fn bos_token_id(
    json: &JsonFields,
    absent: &Defaults,
    vocab_size: u32,
) -> Result<Option<u32>, Error> {
    let ids = ids_or(json, "bos_token_id", absent.bos_token_id, vocab_size)?;
    Ok(ids.first().copied())
}

/// Ids that end an answer: those of the generation config, else of the config.
pub(super) fn eos_token_ids(
    json: &JsonFields,
    generation: Option<&JsonFields>,
    absent: &Defaults,
    vocab_size: u32,
) -> Result<heapless::Vec<u32, MAX_EOS_TOKENS>, Error> {
    const KEY: &str = "eos_token_id";
    let ids = match generation.map(|generation| generation.ids(KEY)).transpose()?.flatten() {
        Some(ids) => ids,
        None => ids_or(json, KEY, absent.eos_token_id, vocab_size)?,
    };
    heapless::Vec::from_slice(&ids)
        .map_err(|_| json.error(KEY, format!("expected at most {MAX_EOS_TOKENS} ids, found {}", ids.len())))
}

/// Sampling defaults, with transformers' own where the file sets some and leaves others out.
pub(super) fn sampling(generation: Option<&JsonFields>) -> Result<SamplingDefaults, Error> {
    let Some(json) = generation else { return Ok(SamplingDefaults::default()) };
    Ok(SamplingDefaults {
        do_sample: json.bool("do_sample")?.unwrap_or(false),
        temperature: f32_of(json.f64("temperature")?.unwrap_or(1.0)),
        top_k: json.u32("top_k")?.unwrap_or(50),
        top_p: f32_of(json.f64("top_p")?.unwrap_or(1.0)),
    })
}

/// The ids under `key`: none where it is null, the class's default where it is absent and the vocabulary has that id.
fn ids_or(json: &JsonFields, key: &str, absent: u32, vocab_size: u32) -> Result<Vec<u32>, Error> {
    match json.has(key) {
        true => Ok(json.ids(key)?.unwrap_or_default()),
        false => Ok([absent].into_iter().filter(|&id| id < vocab_size).collect()),
    }
}
