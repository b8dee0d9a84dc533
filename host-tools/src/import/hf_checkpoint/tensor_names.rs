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
        Role::WqNorm => "self_attn.q_proj.rms_norm",
        Role::Wq => "self_attn.q_proj",
        Role::WkNorm => "self_attn.k_proj.rms_norm",
        Role::Wk => "self_attn.k_proj",
        Role::WvNorm => "self_attn.v_proj.rms_norm",
        Role::Wv => "self_attn.v_proj",
        Role::AttnSubNorm if one_bit_llm => "self_attn.inner_attn_ln",
        Role::AttnSubNorm => "self_attn.attn_sub_norm",
        Role::WoNorm => "self_attn.o_proj.rms_norm",
        Role::Wo => "self_attn.o_proj",
        Role::FfnNorm => "post_attention_layernorm",
        Role::WGateNorm => "mlp.gate_proj.rms_norm",
        Role::WGate => "mlp.gate_proj",
        Role::WUpNorm => "mlp.up_proj.rms_norm",
        Role::WUp => "mlp.up_proj",
        Role::FfnSubNorm if one_bit_llm => "mlp.ffn_layernorm",
        Role::FfnSubNorm => "mlp.ffn_sub_norm",
        Role::WDownNorm => "mlp.down_proj.rms_norm",
        Role::WDown => "mlp.down_proj",
        // Computed, never read.
        other => return other.name().into(),
    };
    format!("model.layers.{}.{within_layer}.weight", tensor.layer)
}

/// The name of the scale beside the packed matrix called `weight`: `….weight` to `….weight_scale`.
pub(super) fn scale(weight: &str) -> String {
    format!("{weight}_scale")
}
