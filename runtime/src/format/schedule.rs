//! Which tensors a config demands, in file order
//!
//! The directory of a file lists exactly this schedule, so a tensor is found by arithmetic instead of by search, and a
//! missing, doubled, extra or misshapen tensor is the same one check. The order is that of a decode pass: the
//! embedding, the layers, the final norm, the head; so the file streams through memory front to back.

use super::directory::{NO_LAYER, Role};
use super::layout::Layout;
use crate::config::Config;

/// What kind of values a tensor holds, which decides the layouts it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorKind {
    /// Trits under one scale: a ternary layout.
    Ternary,
    /// A vector of f32.
    Vector,
    /// The embedding or head: f32, f16, bf16, i8 with a row scale, or the high plane of one that is split.
    Table,
    /// The low plane of a split table.
    LowPlane,
}

/// How the embedding or head is stored, which decides the tensors that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    /// f32, f16 or bf16: nothing follows.
    Float,
    /// i8: its row scales follow.
    I8,
    /// The high plane of i8: row scales, bounds of the low plane's rows and the low plane follow.
    I8Split,
}

impl TableForm {
    /// The form of a table in `layout`.
    #[must_use]
    pub const fn of(layout: Layout) -> Self {
        match layout {
            Layout::I8 => Self::I8,
            Layout::I8Split => Self::I8Split,
            _ => Self::Float,
        }
    }

    /// Tensors after the table that belong to it.
    const fn n_following(self) -> u32 {
        match self {
            Self::Float => 0,
            Self::I8 => 1,
            Self::I8Split => 3,
        }
    }
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

/// Which models have a tensor of a layer.
#[derive(Debug, Clone, Copy)]
enum Has {
    Always,
    SubNorms,
    QkNorm,
    LinearNorms,
}

/// The roles of one layer in file order, which is the order of use.
const LAYER_ROLES: [(Role, Has); 20] = [
    (Role::AttnNorm, Has::Always),
    (Role::WqNorm, Has::LinearNorms),
    (Role::Wq, Has::Always),
    (Role::WkNorm, Has::LinearNorms),
    (Role::Wk, Has::Always),
    (Role::WvNorm, Has::LinearNorms),
    (Role::Wv, Has::Always),
    (Role::QNorm, Has::QkNorm),
    (Role::KNorm, Has::QkNorm),
    (Role::AttnSubNorm, Has::SubNorms),
    (Role::WoNorm, Has::LinearNorms),
    (Role::Wo, Has::Always),
    (Role::FfnNorm, Has::Always),
    (Role::WGateNorm, Has::LinearNorms),
    (Role::WGate, Has::Always),
    (Role::WUpNorm, Has::LinearNorms),
    (Role::WUp, Has::Always),
    (Role::FfnSubNorm, Has::SubNorms),
    (Role::WDownNorm, Has::LinearNorms),
    (Role::WDown, Has::Always),
];

/// The tensors of a model, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    dim: u64,
    hidden_dim: u64,
    q_dim: u64,
    kv_dim: u64,
    head_dim: u64,
    vocab_size: u64,
    n_layers: u32,
    /// The roles of a layer of this model; the first `n_layer_roles` are used.
    layer_roles: [Role; LAYER_ROLES.len()],
    n_layer_roles: u32,
    has_lm_head: bool,
    embedding: TableForm,
    /// Of the untied head; `Float` where the embedding is the head.
    head: TableForm,
}

impl Schedule {
    /// The schedule of a checked config whose tables are as they were trained: floats.
    #[must_use]
    pub fn of_floats(config: &Config) -> Self {
        Self::new(config, TableForm::Float, TableForm::Float)
    }

    /// The schedule of a checked config with these forms of tables (`head` is ignored for tied models).
    #[must_use]
    pub fn new(config: &Config, embedding: TableForm, head: TableForm) -> Self {
        let mut layer_roles = [Role::AttnNorm; LAYER_ROLES.len()];
        let mut n_layer_roles = 0;
        for (role, has) in LAYER_ROLES {
            let is_there = match has {
                Has::Always => true,
                Has::SubNorms => config.has_sub_norms,
                Has::QkNorm => config.has_qk_norm,
                Has::LinearNorms => config.linear_norm_eps.is_some(),
            };
            if is_there {
                layer_roles[n_layer_roles as usize] = role;
                n_layer_roles += 1;
            }
        }
        Self {
            dim: u64::from(config.dim),
            hidden_dim: u64::from(config.hidden_dim),
            q_dim: u64::from(config.q_dim()),
            kv_dim: u64::from(config.kv_dim()),
            head_dim: u64::from(config.head_dim),
            vocab_size: u64::from(config.vocab_size),
            n_layers: config.n_layers,
            layer_roles,
            n_layer_roles,
            has_lm_head: !config.tied_embedding,
            embedding,
            head: if config.tied_embedding { TableForm::Float } else { head },
        }
    }

    /// Number of tensors.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.lm_head_index() + self.has_lm_head as u32 + self.head.n_following()
    }

    /// Whether there are no tensors: never, for a checked config.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of the first tensor of layer `layer`.
    #[must_use]
    pub const fn layer_index(&self, layer: u32) -> u32 {
        1 + self.embedding.n_following() + layer * self.n_layer_roles
    }

    /// Position of the tensor of layer `layer` with this role; `None` if the model's layers have none.
    #[must_use]
    pub fn layer_role_index(&self, layer: u32, role: Role) -> Option<u32> {
        let place = (0..).zip(self.layer_roles()).find(|&(_, &other)| other == role)?.0;
        Some(self.layer_index(layer) + place)
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
            return match index {
                1 => global(Role::TokenEmbeddingScale, TensorKind::Vector, 1, self.vocab_size),
                2 => global(Role::TokenEmbeddingBound, TensorKind::Vector, 1, self.vocab_size),
                _ => global(Role::TokenEmbeddingLow, TensorKind::LowPlane, self.vocab_size, self.dim),
            };
        }
        if index < self.final_norm_index() {
            return self.layer_tensor(index - self.layer_index(0));
        }
        match index - self.final_norm_index() {
            0 => global(Role::FinalNorm, TensorKind::Vector, 1, self.dim),
            1 => global(Role::RopeInvFreq, TensorKind::Vector, 1, self.head_dim / 2),
            2 => global(Role::LmHead, TensorKind::Table, self.vocab_size, self.dim),
            3 => global(Role::LmHeadScale, TensorKind::Vector, 1, self.vocab_size),
            4 => global(Role::LmHeadBound, TensorKind::Vector, 1, self.vocab_size),
            _ => global(Role::LmHeadLow, TensorKind::LowPlane, self.vocab_size, self.dim),
        }
    }

    /// All tensors in file order.
    pub fn iter(&self) -> impl Iterator<Item = ExpectedTensor> + use<> {
        let schedule = *self;
        (0..self.len()).filter_map(move |index| schedule.get(index))
    }

    fn layer_roles(&self) -> &[Role] {
        &self.layer_roles[..self.n_layer_roles as usize]
    }

    /// The tensor `index` places after the first of layer 0.
    fn layer_tensor(&self, index: u32) -> Option<ExpectedTensor> {
        let (layer, place) = (index / self.n_layer_roles, index % self.n_layer_roles);
        let role = *self.layer_roles().get(place as usize)?;
        let (kind, n, k) = match role {
            Role::Wq => (TensorKind::Ternary, self.q_dim, self.dim),
            Role::Wk | Role::Wv => (TensorKind::Ternary, self.kv_dim, self.dim),
            Role::Wo => (TensorKind::Ternary, self.dim, self.q_dim),
            Role::WGate | Role::WUp => (TensorKind::Ternary, self.hidden_dim, self.dim),
            Role::WDown => (TensorKind::Ternary, self.dim, self.hidden_dim),
            Role::AttnSubNorm | Role::WoNorm => (TensorKind::Vector, 1, self.q_dim),
            Role::FfnSubNorm | Role::WDownNorm => (TensorKind::Vector, 1, self.hidden_dim),
            Role::QNorm | Role::KNorm => (TensorKind::Vector, 1, self.head_dim),
            _ => (TensorKind::Vector, 1, self.dim),
        };
        Some(ExpectedTensor { role, layer: u16::try_from(layer).ok()?, kind, n, k })
    }
}
