//! The names that tensors have in GGUF files

use ternlet_runtime::format::{ExpectedTensor, Role};

/// The name of `tensor` without its last part, `.weight` or `.scale`; `None` for one that files do not hold.
pub(super) fn stem(tensor: &ExpectedTensor) -> Option<String> {
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
        _ => return None,
    };
    Some(format!("blk.{}.{within_layer}", tensor.layer))
}
