//! Bytes that one decoding pass reads, by what they are

use serde::Serialize;
use ternlet_runtime::format::Role;
use ternlet_runtime::{KvType, Model};

/// Bytes of one pass, in which every slot gets one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct PassBytes {
    /// Ternary matrices, without the rows and columns that were skipped.
    pub(crate) body: u64,
    /// The output head as far as it was read, and the embedding's row.
    pub(crate) head: u64,
    /// Norms and rotary frequencies.
    pub(crate) norms: u64,
    /// Keys and values of all slots.
    pub(crate) kv: u64,
}

impl PassBytes {
    /// Of a pass over `slots` conversations that hold `context` tokens each, `unread` of the body left out and `completed`
    /// rows of a split head read whole.
    pub(crate) fn new(
        model: &Model<'_>,
        kv: KvType,
        slots: u32,
        context: u32,
        unread: u64,
        completed: u64,
    ) -> Self {
        let (mut body, mut norms) = (0, 0);
        for entry in model.tensors() {
            match entry.role {
                Role::Wq | Role::Wk | Role::Wv | Role::Wo | Role::WGate | Role::WUp | Role::WDown => {
                    body += entry.length;
                }
                role if is_norm(role) => norms += entry.length,
                // The embedding and the head, whose bytes the model counts.
                _ => {}
            }
        }
        let config = model.config();
        // Eight bits have a scale in f32 for each head.
        let scales = if kv == KvType::I8 { u64::from(config.n_kv_heads) * 4 } else { 0 };
        let per_token =
            2 * u64::from(config.n_layers) * (u64::from(config.kv_dim()) * kv.size_bytes() + scales);
        Self {
            body: body - unread,
            head: model.weight_bytes_per_token() - body - norms + completed * model.head_row_bytes(),
            norms,
            kv: per_token * u64::from(context) * u64::from(slots),
        }
    }

    /// All of them.
    pub(crate) const fn total(&self) -> u64 {
        self.body + self.head + self.norms + self.kv
    }
}

/// Whether `role` is a norm, or the rotary frequencies.
const fn is_norm(role: Role) -> bool {
    matches!(
        role,
        Role::AttnNorm
            | Role::AttnSubNorm
            | Role::FfnNorm
            | Role::FfnSubNorm
            | Role::QNorm
            | Role::KNorm
            | Role::WqNorm
            | Role::WkNorm
            | Role::WvNorm
            | Role::WoNorm
            | Role::WGateNorm
            | Role::WUpNorm
            | Role::WDownNorm
            | Role::FinalNorm
            | Role::RopeInvFreq
    )
}
