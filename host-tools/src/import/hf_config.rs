//! `config.json` and `generation_config.json` of Hugging Face checkpoints of the bitnet kind
//!
//! Reads what the runtime computes with and refuses, by name, every switch that would make it compute something else.
//! Says how the weights are stored ([`WeightForm`]) and named ([`Naming`]), never inferring either from the values:
//! the two packed forms differ only in whether their scale multiplies or divides.

use std::path::Path;

use ternlet_runtime::config::{Config, HiddenAct, MAX_EOS_TOKENS, MAX_NAME_BYTES, SamplingDefaults};

use super::json_fields::{JsonFields, brief};
use crate::error::Error;

/// How ternary matrices are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightForm {
    /// Trained floats, to be quantised by absmean.
    Master,
    /// Four trits in a byte; `weight_scale` is the absmean.
    PackedMultiply,
    /// Four trits in a byte; `weight_scale` is the absmean's reciprocal.
    PackedDivide,
}

/// Which names the sub-norms have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// transformers' `BitNetForCausalLM`: `attn_sub_norm`, `ffn_sub_norm`.
    Transformers,
    /// `1bitLLM`'s `BitnetForCausalLM`: `inner_attn_ln`, `ffn_layernorm`.
    OneBitLlm,
}

/// A checkpoint's configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct HfConfig {
    /// The model's shape and defaults. `tied_embedding` is `tie_word_embeddings`, or true where the key is absent.
    pub config: Config,
    /// How ternary matrices are stored.
    pub weight_form: WeightForm,
    /// Which names the sub-norms have.
    pub naming: Naming,
}

impl HfConfig {
    /// Reads `config.json` at `path`, and `generation_config.json` beside it if there is one.
    ///
    /// # Errors
    /// A file that is no JSON object, a missing or absurd value, or a model of another kind.
    pub fn read(path: &Path, name: &str) -> Result<Self, Error> {
        let json = JsonFields::read(path)?;
        let naming = naming(&json)?;
        let weight_form = weight_form(&json, naming)?;
        refuse_unknown_switches(&json)?;
        let generation_path = path.with_file_name("generation_config.json");
        let generation = generation_path.exists().then(|| JsonFields::read(&generation_path)).transpose()?;
        let dim = json.required_u32("hidden_size")?;
        let n_heads = json.required_u32("num_attention_heads")?;
        let config = Config {
            name: printable(name),
            dim,
            hidden_dim: json.required_u32("intermediate_size")?,
            n_layers: json.required_u32("num_hidden_layers")?,
            n_heads,
            n_kv_heads: json.u32("num_key_value_heads")?.unwrap_or(n_heads),
            head_dim: head_dim(&json, dim, n_heads)?,
            vocab_size: json.required_u32("vocab_size")?,
            max_seq_len: json.required_u32("max_position_embeddings")?,
            norm_eps: f32_of(required_f64(&json, "rms_norm_eps")?),
            hidden_act: hidden_act(&json)?,
            has_sub_norms: true,
            has_qk_norm: false,
            linear_norm_eps: None,
            pooling: None,
            tied_embedding: json.bool("tie_word_embeddings")?.unwrap_or(true),
            rope_theta: rope_theta(&json)?,
            bos_token_id: json.ids("bos_token_id")?.and_then(|ids| ids.first().copied()),
            eos_token_ids: eos_token_ids(&json, generation.as_ref())?,
            sampling: sampling(generation.as_ref())?,
        };
        config.check().map_err(|e| {
            Error::new(path.display(), e)
                .hint("the configuration is damaged or beyond this version's limits (runtime/FORMAT.md)")
        })?;
        Ok(Self { config, weight_form, naming })
    }
}

fn naming(json: &JsonFields) -> Result<Naming, Error> {
    let architecture = json.get("architectures").and_then(|list| list.get(0)).and_then(|name| name.as_str());
    match architecture {
        Some("BitNetForCausalLM") => Ok(Naming::Transformers),
        Some("BitnetForCausalLM") => Ok(Naming::OneBitLlm),
        found => Err(json
            .error(
                "architectures",
                format!(
                    "expected BitNetForCausalLM or BitnetForCausalLM, found {}",
                    found.unwrap_or("no such key")
                ),
            )
            .hint("this version packs safetensors checkpoints of the bitnet kind only")),
    }
}

fn weight_form(json: &JsonFields, naming: Naming) -> Result<WeightForm, Error> {
    let Some(quantization) = json.object("quantization_config")? else {
        // 1bitLLM's own modelling code quantises at every forward pass and says so in two keys of its own.
        return match (naming, json.u32("weight_bits")?, json.u32("input_bits")?) {
            (Naming::OneBitLlm, None | Some(1), None | Some(8)) => Ok(WeightForm::Master),
            (Naming::OneBitLlm, weight_bits, input_bits) => Err(json.error(
                "weight_bits, input_bits",
                format!("expected 1 and 8, found {weight_bits:?} and {input_bits:?}"),
            )),
            (Naming::Transformers, ..) => Err(json
                .error("quantization_config", "expected one with quant_method \"bitnet\", found no such key")
                .hint(
                    "without it transformers computes with unquantised weights, which is no ternary model",
                )),
        };
    };
    let text = |key| quantization.string(key);
    if text("quant_method")? != Some("bitnet") {
        let found = text("quant_method")?.unwrap_or("no such key");
        return Err(quantization.error("quant_method", format!("expected bitnet, found {found}")));
    }
    if quantization.bool("use_rms_norm")? == Some(true) {
        return Err(quantization
            .error("use_rms_norm", "expected false, found true")
            .hint("a norm inside every projection is not supported by this version"));
    }
    if let Some(modules) = quantization.get("modules_to_not_convert") {
        let only_head = modules.as_array().is_some_and(|list| list.iter().all(|name| name == "lm_head"));
        if !only_head {
            let found = brief(modules);
            return Err(quantization
                .error("modules_to_not_convert", format!("expected nothing but lm_head, found {found}")));
        }
    }
    match (text("linear_class")?, text("quantization_mode")?) {
        (Some("autobitlinear"), Some("online")) => Ok(WeightForm::Master),
        (Some("autobitlinear"), None | Some("offline")) => Ok(WeightForm::PackedMultiply),
        (None | Some("bitlinear"), None | Some("offline")) => Ok(WeightForm::PackedDivide),
        (class, mode) => Err(quantization.error(
            "linear_class, quantization_mode",
            format!(
                "expected autobitlinear with online or offline, or bitlinear with offline, found {} with {}",
                class.unwrap_or("bitlinear"),
                mode.unwrap_or("offline")
            ),
        )),
    }
}

/// Keys that change what the model computes, where only one value is supported.
fn refuse_unknown_switches(json: &JsonFields) -> Result<(), Error> {
    for key in ["attention_bias", "mlp_bias"] {
        if json.bool(key)? == Some(true) {
            return Err(json.error(key, "expected false, found true"));
        }
    }
    for key in ["rope_scaling", "rope_parameters"] {
        let Some(rope) = json.object(key)? else { continue };
        // Old configs say `type`, later ones `rope_type`.
        for kind in ["rope_type", "type"] {
            if let Some(found) = rope.string(kind)?.filter(|&found| found != "default") {
                return Err(rope
                    .error(kind, format!("expected default, found {found}"))
                    .hint("scaled rotary frequencies are not supported by this version"));
            }
        }
    }
    Ok(())
}

fn hidden_act(json: &JsonFields) -> Result<HiddenAct, Error> {
    match json.string("hidden_act")? {
        Some("relu2") => Ok(HiddenAct::Relu2),
        Some("silu") => Ok(HiddenAct::Silu),
        found => Err(json.error(
            "hidden_act",
            format!("expected relu2 or silu, found {}", found.unwrap_or("no such key")),
        )),
    }
}

fn head_dim(json: &JsonFields, dim: u32, n_heads: u32) -> Result<u32, Error> {
    match json.u32("head_dim")? {
        Some(head_dim) => Ok(head_dim),
        None if n_heads > 0 && dim.is_multiple_of(n_heads) => Ok(dim / n_heads),
        None => Err(json.error(
            "num_attention_heads",
            format!("expected a divisor of hidden_size {dim} where there is no head_dim, found {n_heads}"),
        )),
    }
}

fn rope_theta(json: &JsonFields) -> Result<f64, Error> {
    let nested = json.object("rope_parameters")?.map(|rope| rope.f64("rope_theta")).transpose()?.flatten();
    match nested {
        Some(theta) => Ok(theta),
        None => required_f64(json, "rope_theta"),
    }
}

fn required_f64(json: &JsonFields, key: &str) -> Result<f64, Error> {
    json.f64(key)?.ok_or_else(|| json.error(key, "expected a number, found no such key"))
}

/// Ids that end an answer: those of the generation config, else of the config.
fn eos_token_ids(
    json: &JsonFields,
    generation: Option<&JsonFields>,
) -> Result<heapless::Vec<u32, MAX_EOS_TOKENS>, Error> {
    const KEY: &str = "eos_token_id";
    let ids = match generation.map(|generation| generation.ids(KEY)).transpose()?.flatten() {
        Some(ids) => ids,
        None => json.ids(KEY)?.unwrap_or_default(),
    };
    heapless::Vec::from_slice(&ids)
        .map_err(|_| json.error(KEY, format!("expected at most {MAX_EOS_TOKENS} ids, found {}", ids.len())))
}

/// Sampling defaults, with transformers' own where the file sets some and leaves others out.
fn sampling(generation: Option<&JsonFields>) -> Result<SamplingDefaults, Error> {
    let Some(json) = generation else { return Ok(SamplingDefaults::default()) };
    Ok(SamplingDefaults {
        do_sample: json.bool("do_sample")?.unwrap_or(false),
        temperature: f32_of(json.f64("temperature")?.unwrap_or(1.0)),
        top_k: json.u32("top_k")?.unwrap_or(50),
        top_p: f32_of(json.f64("top_p")?.unwrap_or(1.0)),
    })
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
