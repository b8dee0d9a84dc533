//! `quantization_config`: how ternary matrices are stored, and which matrices are ternary
//!
//! The two packed forms differ only in whether their scale multiplies or divides, and nothing in the weights says
//! which: `linear_class` does, with transformers' defaults (`BitNetQuantConfig`, transformers 5.23).

use super::{Architecture, f32_of};
use crate::error::Error;
use crate::import::json_fields::{JsonFields, brief};

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

/// What a checkpoint says about its linears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// How their weights are stored.
    pub weight_form: WeightForm,
    /// What the norm inside every linear adds to the mean square, if there are such norms.
    pub linear_norm_eps: Option<f32>,
}

/// The linears of a block, as transformers names them within a layer.
const LINEARS: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

impl Quantization {
    /// Reads `quantization_config`.
    pub(super) fn read(json: &JsonFields, architecture: Architecture) -> Result<Self, Error> {
        let Some(quantization) = json.object("quantization_config")? else {
            let weight_form = without_quantization_config(json, architecture)?;
            return Ok(Self { weight_form, linear_norm_eps: None });
        };
        let found = quantization.string("quant_method")?;
        if found != Some("bitnet") {
            let found = found.unwrap_or("no such key");
            return Err(quantization
                .error("quant_method", format!("expected bitnet, found {found}"))
                .hint("only linears that BitNet quantised are ternary"));
        }
        check_modules_to_not_convert(&quantization)?;
        let linear_norm_eps = match quantization.bool_or("use_rms_norm", false)? {
            true => Some(f32_of(quantization.f64_or("rms_norm_eps", 1e-6)?)),
            false => None,
        };
        Ok(Self { weight_form: weight_form(&quantization)?, linear_norm_eps })
    }
}

/// 1bitLLM's own code quantises at every forward pass and says so in two keys of its own; that of the BitNet Embedding
/// models does too, and says so by the norms of its linears, which nothing else has; transformers without a
/// `quantization_config` computes with the weights as they are.
fn without_quantization_config(json: &JsonFields, architecture: Architecture) -> Result<WeightForm, Error> {
    if architecture == Architecture::Qwen3Embedding {
        return Ok(WeightForm::Master);
    }
    if architecture != Architecture::OneBitLlm {
        return Err(json
            .error("quantization_config", "expected one with quant_method \"bitnet\", found no such key")
            .hint(
                "without it the weights or activations are no BitNet's (TriLM, Falcon-E's revisions bfloat16 and \
                prequantized); Falcon-E: pack its revision main",
            ));
    }
    match (json.u32("weight_bits")?, json.u32("input_bits")?) {
        (None | Some(1), None | Some(8)) => Ok(WeightForm::Master),
        (weight_bits, input_bits) => Err(json.error(
            "weight_bits, input_bits",
            format!("expected 1 and 8, found {weight_bits:?} and {input_bits:?}"),
        )),
    }
}

fn weight_form(quantization: &JsonFields) -> Result<WeightForm, Error> {
    let class = quantization.string_or("linear_class", "bitlinear")?;
    let mode = quantization.string_or("quantization_mode", "offline")?;
    match (class, mode) {
        ("autobitlinear", "online") => Ok(WeightForm::Master),
        ("autobitlinear", "offline") => Ok(WeightForm::PackedMultiply),
        // This class has packed weights in either mode.
        ("bitlinear", "online" | "offline") => Ok(WeightForm::PackedDivide),
        _ => Err(quantization.error(
            "linear_class, quantization_mode",
            format!("expected autobitlinear or bitlinear, online or offline, found {class} and {mode}"),
        )),
    }
}

/// All linears of the blocks must be ternary and the head must not; the list may name what is no linear anyway.
fn check_modules_to_not_convert(quantization: &JsonFields) -> Result<(), Error> {
    const KEY: &str = "modules_to_not_convert";
    // Where it is null transformers leaves the head out by itself.
    let Some(modules) = quantization.get(KEY) else { return Ok(()) };
    let names: Option<Vec<&str>> =
        modules.as_array().and_then(|list| list.iter().map(|name| name.as_str()).collect());
    let Some(names) = names.filter(|names| names.iter().all(|name| is_plain(name))) else {
        return Err(
            quantization.error(KEY, format!("expected a list of module names, found {}", brief(modules)))
        );
    };
    if !names.iter().any(|name| excludes(name, "lm_head")) {
        return Err(quantization
            .error(KEY, format!("expected lm_head among them, found {}", brief(modules)))
            .hint("transformers would make the head ternary too, which is not supported by this version"));
    }
    for name in names {
        if let Some(linear) = LINEARS.iter().find(|linear| excludes_in_a_layer(name, linear)) {
            return Err(quantization
                .error(KEY, format!("expected no linear of a block, found {name:?}"))
                .hint(format!("it leaves {linear} unquantised, which is not supported by this version")));
        }
    }
    Ok(())
}

/// Whether `name` is no pattern: transformers reads these names as regular expressions.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Whether `name` takes the module called `module` out of the quantisation: as a path from the root down to a whole
/// part, or as any ending (`should_convert_module`, transformers 5.23).
fn excludes(name: &str, module: &str) -> bool {
    module.ends_with(name)
        || module
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || name.ends_with('.'))
}

/// Whether `name` takes `linear` out of the quantisation in any layer.
fn excludes_in_a_layer(name: &str, linear: &str) -> bool {
    // The only number in a module's name is the layer's.
    let digits = |c: char| c.is_ascii_digit();
    let any_layer = |text: &str| {
        let mut parts: Vec<&str> = text.split('.').collect();
        parts
            .iter_mut()
            .filter(|part| !part.is_empty() && part.chars().all(digits))
            .for_each(|part| *part = "0");
        parts.join(".")
    };
    excludes(&any_layer(name), &format!("model.layers.0.{linear}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_exclude_paths_and_endings() {
        for name in ["lm_head", "head", ""] {
            assert!(excludes(name, "lm_head"), "{name}");
        }
        for name in ["lm", "lm_head.", "lm_head.weight", "model"] {
            assert!(!excludes(name, "lm_head"), "{name}");
        }
        let down = "mlp.down_proj";
        for name in
            ["model", "model.layers", "model.layers.7", "model.layers.7.mlp", "mlp.down_proj", "proj", "."]
        {
            assert_eq!(excludes_in_a_layer(name, down), name != ".", "{name}");
        }
        for name in ["model.layers.7.mlp.down", "layers.7.mlp", "model.norm", "embed_tokens", "lm_head"] {
            assert!(!excludes_in_a_layer(name, down), "{name}");
        }
    }
}
