//! Which block a checkpoint is made of, and what transformers takes for absent keys
//!
//! Configurations are saved without the keys that have their class's default value, so the defaults are part of the
//! format. They are those of `BitNetConfig`, `LlamaConfig` and `Qwen3Config` in transformers 5.23 (`models/*/configuration_*.py`).

use ternlet_runtime::config::{HiddenAct, Pooling};

use crate::error::Error;
use crate::import::json_fields::JsonFields;

/// A block that the runtime computes, under the names of one family of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// transformers' `BitNetForCausalLM`: sub-norms `attn_sub_norm` and `ffn_sub_norm`.
    BitNet,
    /// 1bitLLM's `BitnetForCausalLM`: the same block, sub-norms `inner_attn_ln` and `ffn_layernorm`.
    OneBitLlm,
    /// transformers' `LlamaForCausalLM` with ternary linears: no sub-norms.
    Llama,
    /// The BitNet Embedding models of the Qwen3 kind: norms of queries and keys, a norm in every linear, no head.
    Qwen3Embedding,
}

/// What an absent key means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub(super) vocab_size: u32,
    pub(super) hidden_size: u32,
    pub(super) intermediate_size: u32,
    pub(super) num_hidden_layers: u32,
    pub(super) num_attention_heads: u32,
    /// `None`: as many as there are heads.
    pub(super) num_key_value_heads: Option<u32>,
    /// `None`: `hidden_size` split between the heads.
    pub(super) head_dim: Option<u32>,
    pub(super) hidden_act: HiddenAct,
    pub(super) max_position_embeddings: u32,
    pub(super) rms_norm_eps: f64,
    pub(super) rope_theta: f64,
    pub(super) bos_token_id: u32,
    pub(super) eos_token_id: u32,
    pub(super) tie_word_embeddings: bool,
}

const BITNET: Defaults = Defaults {
    vocab_size: 128_256,
    hidden_size: 2560,
    intermediate_size: 6912,
    num_hidden_layers: 30,
    num_attention_heads: 20,
    num_key_value_heads: Some(5),
    head_dim: None,
    hidden_act: HiddenAct::Relu2,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000.0,
    bos_token_id: 128_000,
    eos_token_id: 128_001,
    tie_word_embeddings: false,
};

const LLAMA: Defaults = Defaults {
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: None,
    head_dim: None,
    hidden_act: HiddenAct::Silu,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000.0,
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: false,
};

const QWEN3: Defaults = Defaults {
    vocab_size: 151_936,
    hidden_size: 4096,
    intermediate_size: 22_016,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: Some(32),
    head_dim: Some(128),
    hidden_act: HiddenAct::Silu,
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000.0,
    // None: no vocabulary has this id.
    bos_token_id: u32::MAX,
    eos_token_id: u32::MAX,
    tie_word_embeddings: false,
};

/// Families of ternary models that are known and not computed here, with the reason.
const REFUSED: [(&str, &str); 9] = [
    (
        "Qwen3ForCausalLM",
        "ternary models of this kind (Bonsai) have a scale for every 128 weights and float activations",
    ),
    ("Qwen3_5ForCausalLM", "its gated delta-net layers are no attention blocks"),
    ("Qwen3NextForCausalLM", "its gated delta-net layers are no attention blocks"),
    ("Gemma3ForCausalLM", "its block has GELU, further norms and a scaled embedding"),
    ("Gemma3TextModel", "its block has GELU, further norms and a scaled embedding"),
    ("MiniCPMForCausalLM", "its residuals are scaled, and its ternary weights have a scale for every 128"),
    ("MapleForCausalLM", "its feed-forward is a mixture of experts, with a scale for every row"),
    ("MistralForCausalLM", "its attention slides a window over the context"),
    ("GPTNeoXForCausalLM", "its block has layer norms, biases and a parallel residual"),
];

impl Architecture {
    /// The architecture that `architectures` names, or where that is absent `model_type`. With modules beside it, in the
    /// convention of sentence-transformers, a model of the Qwen3 type is an embedding model.
    pub(super) fn read(json: &JsonFields, has_modules: bool) -> Result<Self, Error> {
        let named = json.get("architectures").and_then(|list| list.get(0)).and_then(|name| name.as_str());
        let of_type = match json.string("model_type")? {
            Some("bitnet") => Some("BitNetForCausalLM"),
            Some("llama") => Some("LlamaForCausalLM"),
            _ => None,
        };
        if has_modules && json.string("model_type")? == Some("qwen3") {
            return Ok(Self::Qwen3Embedding);
        }
        match named.or(of_type) {
            Some("BitNetForCausalLM") => Ok(Self::BitNet),
            Some("BitnetForCausalLM") => Ok(Self::OneBitLlm),
            Some("LlamaForCausalLM") => Ok(Self::Llama),
            Some("Qwen3Model") => Ok(Self::Qwen3Embedding),
            found => {
                let found = found.unwrap_or("no such key");
                let expected =
                    "expected BitNetForCausalLM, BitnetForCausalLM, LlamaForCausalLM or Qwen3Model";
                let error = json.error("architectures", format!("{expected}, found {found}"));
                Err(match REFUSED.iter().find(|(name, _)| *name == found) {
                    Some((name, reason)) => error.hint(format!("{name} is not supported: {reason}")),
                    None => {
                        error.hint("this version packs ternary (BitNet b1.58) models of these kinds only")
                    }
                })
            }
        }
    }

    /// Whether attention and feed-forward outputs are normalised before their last linear.
    pub(super) const fn has_sub_norms(self) -> bool {
        matches!(self, Self::BitNet | Self::OneBitLlm)
    }

    /// How texts become vectors, if that is what the model is for.
    pub(super) const fn pooling(self) -> Option<Pooling> {
        match self {
            Self::Qwen3Embedding => Some(Pooling::LastToken),
            Self::BitNet | Self::OneBitLlm | Self::Llama => None,
        }
    }

    /// What absent keys mean. 1bitLLM's configurations are read as Llama's, by their `model_type` and their own code.
    pub(super) const fn defaults(self) -> &'static Defaults {
        match self {
            Self::BitNet => &BITNET,
            Self::OneBitLlm | Self::Llama => &LLAMA,
            Self::Qwen3Embedding => &QWEN3,
        }
    }
}
