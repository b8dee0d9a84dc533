//! `config.json` and `generation_config.json` of Hugging Face checkpoints
//!
//! Reads what the runtime computes with and refuses, by name, every switch that would make it compute something else.
//! Where a key is absent, the value is the one that transformers takes for that [`Architecture`]. Nothing is inferred
//! from the weights: how they are stored ([`Quantization`]) is said here or refused.

mod architecture;
mod embedding;
mod generation;
mod quantization;
mod rope;
#[cfg(test)]
mod tests;

use std::path::Path;

use ternlet_runtime::config::{Config, HiddenAct, MAX_NAME_BYTES};

pub use architecture::Architecture;
pub use quantization::{Quantization, WeightForm};

use super::json_fields::JsonFields;
use crate::error::Error;
use crate::pack::RopeScaling;

/// A checkpoint's configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct HfConfig {
    /// The model's shape and defaults.
    pub config: Config,
    /// Which block it is made of, and under which names.
    pub architecture: Architecture,
    /// How ternary matrices are stored.
    pub quantization: Quantization,
    /// How rotary frequencies are stretched.
    pub rope_scaling: RopeScaling,
}

impl HfConfig {
    /// Reads `config.json` at `path`, and `generation_config.json` beside it if there is one.
    ///
    /// # Errors
    /// A file that is no JSON object, an absurd value, or a model of another kind.
    pub fn read(path: &Path, name: &str) -> Result<Self, Error> {
        let json = JsonFields::read(path)?;
        let generation_path = path.with_file_name("generation_config.json");
        let generation = generation_path.exists().then(|| JsonFields::read(&generation_path)).transpose()?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let has_modules = directory.join(embedding::MODULES).exists();
        let read = Self::from_json(&json, generation.as_ref(), name, has_modules)?;
        if read.config.pooling.is_some() {
            embedding::check_modules(directory)?;
        }
        read.config.check().map_err(|e| {
            Error::new(path.display(), e)
                .hint("the configuration is damaged or beyond this version's limits (runtime/FORMAT.md)")
        })?;
        Ok(read)
    }

    fn from_json(
        json: &JsonFields,
        generation: Option<&JsonFields>,
        name: &str,
        has_modules: bool,
    ) -> Result<Self, Error> {
        let architecture = Architecture::read(json, has_modules)?;
        let quantization = Quantization::read(json, architecture)?;
        refuse_biases(json)?;
        if architecture.pooling().is_some() {
            embedding::refuse_windows(json)?;
        }
        let absent = architecture.defaults();
        let dim = json.u32_or("hidden_size", absent.hidden_size)?;
        let n_heads = json.u32_or("num_attention_heads", absent.num_attention_heads)?;
        let vocab_size = json.u32_or("vocab_size", absent.vocab_size)?;
        let max_seq_len = json.u32_or("max_position_embeddings", absent.max_position_embeddings)?;
        let n_kv_heads = match json.has("num_key_value_heads") {
            true => json.u32("num_key_value_heads")?,
            false => absent.num_key_value_heads,
        };
        let (rope_theta, rope_scaling) = rope::read(json, absent.rope_theta, max_seq_len)?;
        let norm_eps = f32_of(json.f64_or("rms_norm_eps", absent.rms_norm_eps)?);
        let pooling = architecture.pooling();
        let is_embedding_model = pooling.is_some();
        let tied_embedding = json.bool_or("tie_word_embeddings", absent.tie_word_embeddings)?;
        let config = Config {
            name: printable(name),
            dim,
            hidden_dim: json.u32_or("intermediate_size", absent.intermediate_size)?,
            n_layers: json.u32_or("num_hidden_layers", absent.num_hidden_layers)?,
            n_heads,
            n_kv_heads: n_kv_heads.unwrap_or(n_heads),
            head_dim: head_dim(json, dim, n_heads, absent.head_dim)?,
            vocab_size,
            max_seq_len,
            norm_eps,
            hidden_act: hidden_act(json, absent.hidden_act)?,
            has_sub_norms: architecture.has_sub_norms(),
            has_qk_norm: is_embedding_model,
            linear_norm_eps: match is_embedding_model {
                // Its own code gives the norms of its linears the eps of all others.
                true => Some(norm_eps),
                false => quantization.linear_norm_eps,
            },
            pooling,
            // Of an embedding model the key says nothing: it has no head.
            tied_embedding: tied_embedding || is_embedding_model,
            rope_theta,
            bos_token_id: generation::bos_token_id(json, absent, vocab_size)?,
            eos_token_ids: generation::eos_token_ids(json, generation, absent, vocab_size)?,
            sampling: generation::sampling(generation)?,
        };
        Ok(Self { config, architecture, quantization, rope_scaling })
    }
}

/// The block has no biases anywhere.
fn refuse_biases(json: &JsonFields) -> Result<(), Error> {
    for key in ["attention_bias", "mlp_bias"] {
        if json.bool(key)? == Some(true) {
            return Err(json
                .error(key, "expected false, found true")
                .hint("this version computes linears without biases only"));
        }
    }
    Ok(())
}

fn hidden_act(json: &JsonFields, absent: HiddenAct) -> Result<HiddenAct, Error> {
    match json.string_or("hidden_act", absent.name())? {
        "relu2" => Ok(HiddenAct::Relu2),
        // transformers has the same function under both names.
        "silu" | "swish" => Ok(HiddenAct::Silu),
        found => Err(json.error("hidden_act", format!("expected relu2 or silu, found {found}"))),
    }
}

fn head_dim(json: &JsonFields, dim: u32, n_heads: u32, absent: Option<u32>) -> Result<u32, Error> {
    match json.u32("head_dim")?.or(absent) {
        Some(head_dim) => Ok(head_dim),
        None if n_heads > 0 && dim.is_multiple_of(n_heads) => Ok(dim / n_heads),
        None => Err(json.error(
            "num_attention_heads",
            format!("expected a divisor of hidden_size {dim} where there is no head_dim, found {n_heads}"),
        )),
    }
}

/// As much of `name` as fits, without control characters.
pub(super) fn printable(name: &str) -> heapless::String<MAX_NAME_BYTES> {
    let mut text = heapless::String::new();
    for character in name.chars().filter(|c| !c.is_control()) {
        if text.push(character).is_err() {
            break;
        }
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding a decimal to f32 is the point; Config::check sees infinities"
)]
const fn f32_of(value: f64) -> f32 {
    value as f32
}
