//! Borrowed views of a model's tensors
//!
//! Plain structs of slices in the words of the papers: what the transformer reads, and nothing about files.

use ternlet_kernels::layout::TernaryLayout;

use crate::format::Order;

/// One ternary matrix: `w[j, i] = scale * trit[j, i]`.
#[derive(Debug, Clone, Copy)]
pub struct Ternary<'a> {
    /// Output features (rows).
    pub n: usize,
    /// Input features (columns).
    pub k: usize,
    /// The absmean of the trained matrix.
    pub scale: f32,
    /// How `bytes` holds the trits.
    pub layout: TernaryLayout,
    /// Whether rows of `k` or columns of `n` trits lie together.
    pub order: Order,
    /// `layout.matrix_bytes(n, k)` bytes, of a column-major matrix `layout.matrix_bytes(k, n)`; 64-byte aligned.
    pub bytes: &'a [u8],
}

/// One linear layer: `w · quantise(norm(x))`.
#[derive(Debug, Clone, Copy)]
pub struct Linear<'a> {
    /// RMSNorm over the input, `[k]`; `None` in models whose linear layers have none of their own.
    pub norm: Option<&'a [f32]>,
    /// The matrix.
    pub weight: Ternary<'a>,
}

/// The embedding or the head, `[vocab_size, dim]`, row-major, as stored.
#[derive(Debug, Clone, Copy)]
pub enum Table<'a> {
    /// IEEE binary32.
    F32(&'a [f32]),
    /// IEEE binary16 bits.
    F16(&'a [u16]),
    /// bfloat16 bits.
    Bf16(&'a [u16]),
    /// `w[j, i] = rows[j, i] * row_scale[j]`.
    I8 {
        /// `[vocab_size, dim]`, -127 to 127.
        rows: &'a [i8],
        /// `[vocab_size]`, absmax of the row / 127.
        row_scale: &'a [f32],
    },
    /// The same in two planes: `ternlet_kernels::layout::i8_split`.
    I8Split(SplitTable<'a>),
}

/// An int8 table in two planes, rows of both 16-byte aligned.
#[derive(Debug, Clone, Copy)]
pub struct SplitTable<'a> {
    /// `[vocab_size, high_row_bytes(dim)]`, the high five bits.
    pub high: &'a [u8],
    /// `[vocab_size, low_row_bytes(dim)]`, the low three bits.
    pub low: &'a [u8],
    /// `[vocab_size]`, absmax of the row / 127.
    pub row_scale: &'a [f32],
    /// `[vocab_size]`, `low_norm` of the row.
    pub bound: &'a [f32],
}

impl SplitTable<'_> {
    /// Row `id` of both planes.
    ///
    /// # Panics
    /// If the table has no such row.
    #[must_use]
    pub fn row(&self, id: usize) -> (&[u8], &[u8]) {
        let n = self.row_scale.len();
        let (high, low) = (self.high.len() / n, self.low.len() / n);
        (&self.high[id * high..(id + 1) * high], &self.low[id * low..(id + 1) * low])
    }
}

/// The weights of one transformer block, in the order of use.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// RMSNorm before attention, `[dim]`.
    pub attn_norm: &'a [f32],
    /// Query projection, `[q_dim, dim]`.
    pub wq: Linear<'a>,
    /// Key projection, `[kv_dim, dim]`.
    pub wk: Linear<'a>,
    /// Value projection, `[kv_dim, dim]`.
    pub wv: Linear<'a>,
    /// RMSNorm of each query head before its rotation, `[head_dim]`.
    pub q_norm: Option<&'a [f32]>,
    /// RMSNorm of each key head before its rotation, `[head_dim]`.
    pub k_norm: Option<&'a [f32]>,
    /// RMSNorm of the concatenated heads before `wo`, `[q_dim]`.
    pub attn_sub_norm: Option<&'a [f32]>,
    /// Output projection, `[dim, q_dim]`.
    pub wo: Linear<'a>,
    /// RMSNorm before the feed-forward block, `[dim]`.
    pub ffn_norm: &'a [f32],
    /// Gate projection, `[hidden_dim, dim]`.
    pub w_gate: Linear<'a>,
    /// Up projection, `[hidden_dim, dim]`.
    pub w_up: Linear<'a>,
    /// RMSNorm of the gated activations before `w_down`, `[hidden_dim]`.
    pub ffn_sub_norm: Option<&'a [f32]>,
    /// Down projection, `[dim, hidden_dim]`.
    pub w_down: Linear<'a>,
}
