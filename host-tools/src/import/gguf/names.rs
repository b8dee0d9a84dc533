//! The names that tensors have in GGUF files

use ternlet_runtime::format::{ExpectedTensor, Role};

/// The name of `tensor` in GGUF files, without its last part (`.weight` or `.scale`); `None` for one that they do not
/// hold.
#[must_use]
pub fn tensor_stem(tensor: &ExpectedTensor) -> Option<String> {
    let within_layer = match tensor.role {
        Role::TokenEmbedding => return Some("token_embd".into()),
        Role::FinalNorm => return Some("output_norm".into()),
        Role::LmHead => return Some("output".into()),
        Role::AttnNorm => "attn_norm",
        Role::Wq => "attn_q",
        Role::Wk => "attn_k",
        Role::Wv => "attn_v",
        Role::AttnSubNorm => "attn_sub_norm",
        Role::Wo => "attn_output",
        Role::FfnNorm => "ffn_norm",
        Role::WGate => "ffn_gate",
        Role::WUp => "ffn_up",
        Role::FfnSubNorm => "ffn_sub_norm",
        Role::WDown => "ffn_down",
        Role::QNorm => "attn_q_norm",
        Role::KNorm => "attn_k_norm",
        Role::WqNorm => "attn_q_norm_in",
        Role::WkNorm => "attn_k_norm_in",
        Role::WvNorm => "attn_v_norm_in",
        Role::WoNorm => "attn_output_norm_in",
        Role::WGateNorm => "ffn_gate_norm_in",
        Role::WUpNorm => "ffn_up_norm_in",
        Role::WDownNorm => "ffn_down_norm_in",
        _ => return None,
    };
    Some(format!("blk.{}.{within_layer}", tensor.layer))
}
