//! Keys and values of all past positions: `[slot][layer][kv_head][pos][head_dim_padded]`
//!
//! One head's positions are one contiguous matrix, so the attention scores of the query heads that
//! share it are one GEMM over it and their weighted sums of values one GEVM, both in ascending
//! position: every cached row is read once per group. Rows are padded to 32 elements.
//! Grouped-query attention: arXiv:2305.13245 section 2.

mod rows;

pub(crate) use rows::Part;

use ternlet_kernels::Kernels;

use crate::arena::{Arena, ArenaError};
use crate::config::Config;
use crate::plan::{KvType, MemoryPlan};

#[derive(Debug)]
enum Storage<'a> {
    F16 { keys: &'a mut [u16], values: &'a mut [u16] },
    F32 { keys: &'a mut [f32], values: &'a mut [f32] },
}

/// The cache of every slot.
#[derive(Debug)]
pub(crate) struct KvCache<'a> {
    storage: Storage<'a>,
    n_layers: usize,
    n_kv_heads: usize,
    context: usize,
    head_dim: usize,
    stride: usize,
}

/// Where one head's rows lie: slot, layer and KV head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) slot: usize,
    pub(crate) layer: usize,
    pub(crate) kv_head: usize,
}

impl<'a> KvCache<'a> {
    pub(crate) fn carve(
        arena: &mut Arena<'a>,
        config: &Config,
        plan: &MemoryPlan,
    ) -> Result<Self, ArenaError> {
        let n = plan.sizes().kv;
        let storage = match plan.options().kv {
            KvType::F16 => Storage::F16 { keys: arena.alloc(n)?, values: arena.alloc(n)? },
            KvType::F32 => Storage::F32 { keys: arena.alloc(n)?, values: arena.alloc(n)? },
        };
        Ok(Self {
            storage,
            n_layers: config.n_layers as usize,
            n_kv_heads: config.n_kv_heads as usize,
            context: plan.options().context as usize,
            head_dim: config.head_dim as usize,
            stride: plan.sizes().head_dim_padded,
        })
    }

    /// Element offset of a head's first row.
    fn offset(&self, head: Head) -> usize {
        let matrix = (head.slot * self.n_layers + head.layer) * self.n_kv_heads + head.kv_head;
        matrix * self.context * self.stride
    }

    /// Stores `key` and `value`, `[head_dim]` each, at position `pos`.
    pub(crate) fn store(&mut self, kernels: &Kernels, head: Head, pos: usize, key: &[f32], value: &[f32]) {
        let start = self.offset(head) + pos * self.stride;
        let row = start..start + self.head_dim;
        match &mut self.storage {
            Storage::F16 { keys, values } => {
                kernels.f32_to_f16(key, &mut keys[row.clone()]);
                kernels.f32_to_f16(value, &mut values[row]);
            }
            Storage::F32 { keys, values } => {
                keys[row.clone()].copy_from_slice(key);
                values[row].copy_from_slice(value);
            }
        }
    }

    /// `scores[h, t] = queries[h] · key[t]` for the first `n` positions.
    ///
    /// `queries`: `[group_size, head_dim]`; `scores`: `[group_size]` rows, `scores_stride` elements apart.
    pub(crate) fn scores(
        &self,
        kernels: &Kernels,
        head: Head,
        n: usize,
        queries: &[f32],
        scores: &mut [f32],
        scores_stride: usize,
    ) {
        let (k, stride) = (self.head_dim, self.stride);
        let m = queries.len() / k;
        let rows = self.offset(head)..self.offset(head) + n * stride;
        match &self.storage {
            Storage::F16 { keys, .. } => {
                kernels.gemm_f32_f16(&keys[rows], n, k, stride, m, queries, scores, scores_stride);
            }
            Storage::F32 { keys, .. } => {
                kernels.gemm_f32_f32(&keys[rows], n, k, stride, m, queries, scores, scores_stride);
            }
        }
    }

    /// `out[h] = Σ_t weights[h, t] · value[t]` over the first `n` positions, in ascending order.
    ///
    /// `weights`: as `scores` in [`scores`](Self::scores); `out`: `[group_size, head_dim]`.
    pub(crate) fn weighted_values(
        &self,
        kernels: &Kernels,
        head: Head,
        n: usize,
        weights: &[f32],
        weights_stride: usize,
        out: &mut [f32],
    ) {
        let (k, stride) = (self.head_dim, self.stride);
        let m = out.len() / k;
        let rows = self.offset(head)..self.offset(head) + n * stride;
        match &self.storage {
            Storage::F16 { values, .. } => {
                kernels.gevm_f32_f16(weights, weights_stride, m, &values[rows], n, k, stride, out);
            }
            Storage::F32 { values, .. } => {
                kernels.gevm_f32_f32(weights, weights_stride, m, &values[rows], n, k, stride, out);
            }
        }
    }
}
