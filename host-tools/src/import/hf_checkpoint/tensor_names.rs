//! What tensors are called in checkpoints

use ternlet_runtime::format::{ExpectedTensor, Role};

use crate::import::hf_config::Architecture;

/// The name of `tensor`; of one that no checkpoint has, the runtime's.
pub(super) fn weight(architecture: Architecture, tensor: &ExpectedTensor) -> String {
    let one_bit_llm = architecture == Architecture::OneBitLlm;
    let within_layer = match tensor.role {
        Role::TokenEmbedding => return "model.embed_tokens.weight".into(),
        Role::FinalNorm => return "model.norm.weight".into(),
        Role::LmHead => return "lm_head.weight".into(),
        Role::AttnNorm => "input_layernorm",
        Role::Wq | Role::WqNorm => "self_attn.q_proj",
        Role::Wk | Role::WkNorm => "self_attn.k_proj",
        Role::Wv | Role::WvNorm => "self_attn.v_proj",
        Role::QNorm => "self_attn.q_norm",
        Role::KNorm => "self_attn.k_norm",
        Role::AttnSubNorm if one_bit_llm => "self_attn.inner_attn_ln",
        Role::AttnSubNorm => "self_attn.attn_sub_norm",
        Role::Wo | Role::WoNorm => "self_attn.o_proj",
        Role::FfnNorm => "post_attention_layernorm",
        Role::WGate | Role::WGateNorm => "mlp.gate_proj",
        Role::WUp | Role::WUpNorm => "mlp.up_proj",
        Role::FfnSubNorm if one_bit_llm => "mlp.ffn_layernorm",
        Role::FfnSubNorm => "mlp.ffn_sub_norm",
        Role::WDown | Role::WDownNorm => "mlp.down_proj",
        // Computed, never read.
        other => return other.name().into(),
    };
    // The norm of a linear's own is a module within the linear.
    let module = match tensor.role {
        Role::WqNorm
        | Role::WkNorm
        | Role::WvNorm
        | Role::WoNorm
        | Role::WGateNorm
        | Role::WUpNorm
        | Role::WDownNorm => match architecture {
            Architecture::Qwen3Embedding => ".norm",
            _ => ".rms_norm",
        },
        _ => "",
    };
    format!("model.layers.{}.{within_layer}{module}.weight", tensor.layer)
}

/// The name of the scale beside the packed matrix called `weight`: `….weight` to `….weight_scale`.
pub(super) fn scale(weight: &str) -> String {
    format!("{weight}_scale")
}
