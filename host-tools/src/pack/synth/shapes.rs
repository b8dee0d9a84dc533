//! Shapes that public engines and models are known by
//!
//! Only their sizes and the kind of their blocks are the models'; weights are random. Sources: the models' `config.json`.

use ternlet_runtime::Config;
use ternlet_runtime::config::{HiddenAct, MAX_NAME_BYTES, SamplingDefaults};

use crate::known_models::KNOWN_MODELS;

/// The names that [`shape`] knows.
pub const SHAPE_NAMES: [&str; 5] = ["125m", "0.7b", "2b4t", "3b", "8b"];

/// The shape that goes by `name`: `125m`, or that of a published model, by its size.
#[must_use]
pub fn shape(name: &str) -> Option<Config> {
    let published = |hub_name: &str| {
        let model = KNOWN_MODELS.iter().find(|model| model.hub_name == hub_name)?;
        Some(Config { name: synth_name(name), ..model.config()? })
    };
    match name {
        "125m" => Some(shape_125m()),
        "2b4t" => Some(shape_2b4t()),
        "0.7b" => published("1bitLLM/bitnet_b1_58-large"),
        "3b" => published("1bitLLM/bitnet_b1_58-3B"),
        "8b" => published("HF1BitLLM/Llama3-8B-1.58-100B-tokens"),
        _ => None,
    }
}

/// The shape of microsoft/bitnet-b1.58-2B-4T.
#[must_use]
pub fn shape_2b4t() -> Config {
    Config {
        name: synth_name("2b4t"),
        dim: 2560,
        hidden_dim: 6912,
        n_layers: 30,
        n_heads: 20,
        n_kv_heads: 5,
        head_dim: 128,
        vocab_size: 128_256,
        max_seq_len: 4096,
        rope_theta: 500_000.0,
        ..shape_125m()
    }
}

/// A small shape that public engines were measured with: 104 million ternary weights.
#[must_use]
pub fn shape_125m() -> Config {
    Config {
        name: synth_name("125m"),
        dim: 768,
        hidden_dim: 3072,
        n_layers: 11,
        n_heads: 12,
        n_kv_heads: 12,
        head_dim: 64,
        vocab_size: 32_000,
        max_seq_len: 2048,
        norm_eps: 1e-5,
        hidden_act: HiddenAct::Relu2,
        has_sub_norms: true,
        has_qk_norm: false,
        linear_norm_eps: None,
        tied_embedding: true,
        pooling: None,
        rope_theta: 10_000.0,
        bos_token_id: None,
        eos_token_ids: heapless::Vec::new(),
        sampling: SamplingDefaults::default(),
    }
}

fn synth_name(shape: &str) -> heapless::String<MAX_NAME_BYTES> {
    "synth-".chars().chain(shape.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_shape_can_be_packed() {
        for name in SHAPE_NAMES {
            let config = shape(name).unwrap();
            assert_eq!(config.name.as_str(), format!("synth-{name}"));
            config.check().unwrap();
        }
        assert_eq!(shape("2B"), None);
    }
}
