//! Rotary base and scaling, in the spellings of transformers 4 and 5
//!
//! Version 4 has `rope_theta` at the top and a dictionary `rope_scaling`; version 5 has both in `rope_parameters`.
//! Which of two wins follows `RotaryEmbeddingConfigMixin.convert_rope_params_to_dict` (transformers 5.23).

use crate::error::Error;
use crate::import::json_fields::JsonFields;
use crate::pack::RopeScaling;

/// Base of the frequencies and how they are scaled; `absent` is the class's base.
pub(super) fn read(json: &JsonFields, absent: f64, max_seq_len: u32) -> Result<(f64, RopeScaling), Error> {
    let at_top = json.f64_or("rope_theta", absent)?;
    refuse_partial(json)?;
    let scaling = json.object("rope_scaling")?.filter(|scaling| !scaling.is_empty());
    let rope = match scaling {
        Some(scaling) => Some(scaling),
        None => json.object("rope_parameters")?,
    };
    let Some(rope) = rope else { return Ok((at_top, RopeScaling::None)) };
    refuse_partial(&rope)?;
    refuse_nested(&rope)?;
    let theta = rope.f64_or("rope_theta", at_top)?;
    // Old dictionaries say `type`.
    let key = if rope.has("rope_type") { "rope_type" } else { "type" };
    let scaling = match rope.string_or(key, "default")? {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: positive(&rope, "factor")? },
        "llama3" => llama3(json, &rope, max_seq_len)?,
        found => {
            let reason = match found {
                "dynamic" => "its frequencies change with the length of the text",
                "longrope" => "it has two sets of frequencies and scales the attention",
                "yarn" => "it scales the attention as well as the frequencies",
                _ => "this version does not know it",
            };
            return Err(rope
                .error(key, format!("expected default, linear or llama3, found {found}"))
                .hint(format!("rotary scaling {found} is not supported: {reason}")));
        }
    };
    Ok((theta, scaling))
}

fn llama3(json: &JsonFields, rope: &JsonFields, max_seq_len: u32) -> Result<RopeScaling, Error> {
    const CONTEXT: &str = "original_max_position_embeddings";
    let (low, high) = (positive(rope, "low_freq_factor")?, positive(rope, "high_freq_factor")?);
    if high <= low {
        let expected = format!("expected more than low_freq_factor {low}, found {high}");
        return Err(rope.error("high_freq_factor", expected));
    }
    let original_context = match (json.has(CONTEXT), rope.has(CONTEXT)) {
        (true, _) => positive(json, CONTEXT)?,
        (false, true) => positive(rope, CONTEXT)?,
        (false, false) => f64::from(max_seq_len),
    };
    Ok(RopeScaling::Llama3 {
        factor: positive(rope, "factor")?,
        low_freq_factor: low,
        high_freq_factor: high,
        original_context,
    })
}

/// Every element of a head rotates.
fn refuse_partial(fields: &JsonFields) -> Result<(), Error> {
    const KEY: &str = "partial_rotary_factor";
    match fields.f64(KEY)?.filter(|&factor| factor != 1.0) {
        None => Ok(()),
        Some(factor) => Err(fields
            .error(KEY, format!("expected 1, found {factor}"))
            .hint("heads that rotate in part are not supported by this version")),
    }
}

/// All layers have the same frequencies.
fn refuse_nested(rope: &JsonFields) -> Result<(), Error> {
    match rope.iter().find(|(_, value)| value.is_object()) {
        None => Ok(()),
        Some((kind, _)) => Err(rope
            .error(kind, "expected a number or a word, found parameters for one kind of layers")
            .hint("layers that rotate in several ways are not supported by this version")),
    }
}

/// The finite number above 0 under `key`.
fn positive(fields: &JsonFields, key: &str) -> Result<f64, Error> {
    match fields.f64(key)? {
        Some(value) if value.is_finite() && value > 0.0 => Ok(value),
        Some(value) => Err(fields.error(key, format!("expected a number above 0, found {value}"))),
        None => Err(fields.error(key, "expected a number above 0, found no such key")),
    }
}
