//! Which tensors a config demands, in file order
//!
//! The directory of a file lists exactly this schedule, so a tensor is found by arithmetic instead of by search, and a
//! missing, doubled, extra or misshapen tensor is the same one check. The order is that of a decode pass: the
//! embedding, the layers, the final norm, the head; so the file streams through memory front to back.

use super::directory::{NO_LAYER, Role};
use crate::config::Config;

/// What kind of values a tensor holds, which decides the layouts it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorKind {
    /// Trits under one scale: a ternary layout.
    Ternary,
    /// A vector of f32.
    Vector,
    /// The embedding or head: f32, f16, bf16, or i8 with a row scale.
    Table,
}

/// One line of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedTensor {
    /// The tensor's part in the model.
    pub role: Role,
    /// The layer, or [`NO_LAYER`].
    pub layer: u16,
    /// What it holds.
    pub kind: TensorKind,
    /// Rows (output features); 1 for vectors.
    pub n: u64,
    /// Columns (input features), the length for vectors.
    pub k: u64,
}

/// The roles of one layer in file order, sub-norms included.
const LAYER_ROLES: [Role; 11] = [
    Role::AttnNorm,
    Role::Wq,
    Role::Wk,
    Role::Wv,
    Role::AttnSubNorm,
    Role::Wo,
    Role::FfnNorm,
    Role::WGate,
    Role::WUp,
    Role::FfnSubNorm,
    Role::WDown,
];

/// The same without sub-norms.
const LAYER_ROLES_WITHOUT_SUB_NORMS: [Role; 9] = [
    Role::AttnNorm,
    Role::Wq,
    Role::Wk,
    Role::Wv,
    Role::Wo,
    Role::FfnNorm,
    Role::WGate,
    Role::WUp,
    Role::WDown,
];

/// The tensors of a model, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    dim: u64,
    hidden_dim: u64,
    q_dim: u64,
    kv_dim: u64,
    half_head_dim: u64,
    vocab_size: u64,
    n_layers: u32,
    has_sub_norms: bool,
    has_lm_head: bool,
    /// Whether the embedding is i8, and so followed by its row scales.
    embedding_is_i8: bool,
    /// Whether the untied head is i8, and so followed by its row scales.
    head_is_i8: bool,
}

impl Schedule {
    /// The schedule of a checked config with these table layouts (`head_is_i8` is ignored for tied models).
    #[must_use]
    pub fn new(config: &Config, embedding_is_i8: bool, head_is_i8: bool) -> Self {
        Self {
            dim: u64::from(config.dim),
            hidden_dim: u64::from(config.hidden_dim),
            q_dim: u64::from(config.q_dim()),
            kv_dim: u64::from(config.kv_dim()),
            half_head_dim: u64::from(config.head_dim / 2),
            vocab_size: u64::from(config.vocab_size),
            n_layers: config.n_layers,
            has_sub_norms: config.has_sub_norms,
            has_lm_head: !config.tied_embedding,
            embedding_is_i8,
            head_is_i8: head_is_i8 && !config.tied_embedding,
        }
    }

    /// Number of tensors.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.lm_head_index() + self.has_lm_head as u32 + self.head_is_i8 as u32
    }

    /// Whether there are no tensors: never, for a checked config.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of the first tensor of layer `layer`.
    #[must_use]
    pub const fn layer_index(&self, layer: u32) -> u32 {
        1 + self.embedding_is_i8 as u32 + layer * self.tensors_per_layer()
    }

    /// Position of the final norm.
    #[must_use]
    pub const fn final_norm_index(&self) -> u32 {
        self.layer_index(self.n_layers)
    }

    /// Position of the rotary frequencies.
    #[must_use]
    pub const fn rope_inv_freq_index(&self) -> u32 {
        self.final_norm_index() + 1
    }

    /// Position of the untied head (one past the last tensor when tied).
    #[must_use]
    pub const fn lm_head_index(&self) -> u32 {
        self.final_norm_index() + 2
    }

    /// The tensor at `index`; `None` from [`len`](Self::len) on.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<ExpectedTensor> {
        let global = |role, kind, n, k| Some(ExpectedTensor { role, layer: NO_LAYER, kind, n, k });
        if index >= self.len() {
            return None;
        }
        if index == 0 {
            return global(Role::TokenEmbedding, TensorKind::Table, self.vocab_size, self.dim);
        }
        if index < self.layer_index(0) {
            return global(Role::TokenEmbeddingScale, TensorKind::Vector, 1, self.vocab_size);
        }
        if index < self.final_norm_index() {
            return self.layer_tensor(index - self.layer_index(0));
        }
        match index - self.final_norm_index() {
            0 => global(Role::FinalNorm, TensorKind::Vector, 1, self.dim),
            1 => global(Role::RopeInvFreq, TensorKind::Vector, 1, self.half_head_dim),
            2 => global(Role::LmHead, TensorKind::Table, self.vocab_size, self.dim),
            _ => global(Role::LmHeadScale, TensorKind::Vector, 1, self.vocab_size),
        }
    }

    /// All tensors in file order.
    pub fn iter(&self) -> impl Iterator<Item = ExpectedTensor> + use<> {
        let schedule = *self;
        (0..self.len()).filter_map(move |index| schedule.get(index))
    }

    const fn tensors_per_layer(&self) -> u32 {
        if self.has_sub_norms { 11 } else { 9 }
    }

    /// The tensor `index` places after the first of layer 0.
    fn layer_tensor(&self, index: u32) -> Option<ExpectedTensor> {
        let per_layer = self.tensors_per_layer();
        let roles: &[Role] = if self.has_sub_norms { &LAYER_ROLES } else { &LAYER_ROLES_WITHOUT_SUB_NORMS };
        let role = *roles.get((index % per_layer) as usize)?;
        let (kind, n, k) = match role {
            Role::Wq => (TensorKind::Ternary, self.q_dim, self.dim),
            Role::Wk | Role::Wv => (TensorKind::Ternary, self.kv_dim, self.dim),
            Role::Wo => (TensorKind::Ternary, self.dim, self.q_dim),
            Role::WGate | Role::WUp => (TensorKind::Ternary, self.hidden_dim, self.dim),
            Role::WDown => (TensorKind::Ternary, self.dim, self.hidden_dim),
            Role::AttnSubNorm => (TensorKind::Vector, 1, self.q_dim),
            Role::FfnSubNorm => (TensorKind::Vector, 1, self.hidden_dim),
            _ => (TensorKind::Vector, 1, self.dim),
        };
        Some(ExpectedTensor { role, layer: u16::try_from(index / per_layer).ok()?, kind, n, k })
    }
}

const _: () = assert!(LAYER_ROLES.len() == 11 && LAYER_ROLES_WITHOUT_SUB_NORMS.len() == 9);
