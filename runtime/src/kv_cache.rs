//! Keys and values of all past positions: `[slot][layer][kv_head][pos][head_dim_padded]`
//!
//! One head's positions are one contiguous matrix, so the attention scores of the query heads that
//! share it are one GEMM over it and their weighted sums of values one GEVM, both in ascending
//! position: every cached row is read once per group. Rows are padded to 32 elements.
//! Grouped-query attention: arXiv:2305.13245 section 2.
//!
//! Of [`KvType::I8`] each cached row has a scale. The order of operations is part of the result:
//!
//! ```text
//! store    q[i] = rne(x[i] · (127 / a)),  scale = a / 127,  a = max(max|x|, 1e-5)      as activations: a row of zeros
//!                                                                                     stays one; rows padded to 64
//! score    (Σᵢ q[i] · query[i]) · key_scale          the sum in sixteen lanes and their tree, then one product
//! values   Σ_t (weight[t] · value_scale[t]) · q[t]   one product per weight, then fused additions, t ascending
//! ```

use core::ops::Range;

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
    I8 { keys: &'a mut [i8], values: &'a mut [i8], key_scales: &'a mut [f32], value_scales: &'a mut [f32] },
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
        let (n, n_scales) = (plan.sizes().kv, plan.sizes().kv_scales);
        let storage = match plan.options().kv {
            KvType::F16 => Storage::F16 { keys: arena.alloc(n)?, values: arena.alloc(n)? },
            KvType::F32 => Storage::F32 { keys: arena.alloc(n)?, values: arena.alloc(n)? },
            KvType::I8 => Storage::I8 {
                keys: arena.alloc(n)?,
                values: arena.alloc(n)?,
                key_scales: arena.alloc(n_scales)?,
                value_scales: arena.alloc(n_scales)?,
            },
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

    /// A head's first row, counted over the whole cache.
    fn first_row(&self, head: Head) -> usize {
        ((head.slot * self.n_layers + head.layer) * self.n_kv_heads + head.kv_head) * self.context
    }

    /// The elements of a head's first `n` rows.
    fn rows(&self, head: Head, n: usize) -> Range<usize> {
        let start = self.first_row(head) * self.stride;
        start..start + n * self.stride
    }

    /// The scales of a head's first `n` rows.
    fn scales(&self, head: Head, n: usize) -> Range<usize> {
        let start = self.first_row(head);
        start..start + n
    }

    /// Stores `key` and `value`, `[head_dim]` each, at position `pos`.
    pub(crate) fn store(&mut self, kernels: &Kernels, head: Head, pos: usize, key: &[f32], value: &[f32]) {
        let index = self.first_row(head) + pos;
        let start = index * self.stride;
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
            Storage::I8 { keys, values, key_scales, value_scales } => {
                let row = start..start + self.stride;
                key_scales[index] = kernels.quantise_i8(key, &mut keys[row.clone()]);
                value_scales[index] = kernels.quantise_i8(value, &mut values[row]);
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
        let rows = self.rows(head, n);
        match &self.storage {
            Storage::F16 { keys, .. } => {
                kernels.gemm_f32_f16(&keys[rows], n, k, stride, m, queries, scores, scores_stride);
            }
            Storage::F32 { keys, .. } => {
                kernels.gemm_f32_f32(&keys[rows], n, k, stride, m, queries, scores, scores_stride);
            }
            Storage::I8 { keys, key_scales, .. } => {
                kernels.gemm_f32_i8(&keys[rows], n, k, stride, m, queries, scores, scores_stride);
                let scales = &key_scales[self.scales(head, n)];
                scores
                    .chunks_mut(scores_stride)
                    .for_each(|scores| kernels.mul_assign(&mut scores[..n], scales));
            }
        }
    }

    /// `out[h] = Σ_t weights[h, t] · value[t]` over the first `n` positions, in ascending order.
    ///
    /// `weights`: as `scores` in [`scores`](Self::scores), scratch after it; `out`: `[group_size, head_dim]`.
    pub(crate) fn weighted_values(
        &self,
        kernels: &Kernels,
        head: Head,
        n: usize,
        weights: &mut [f32],
        weights_stride: usize,
        out: &mut [f32],
    ) {
        let (k, stride) = (self.head_dim, self.stride);
        let m = out.len() / k;
        let rows = self.rows(head, n);
        match &self.storage {
            Storage::F16 { values, .. } => {
                kernels.gevm_f32_f16(weights, weights_stride, m, &values[rows], n, k, stride, out);
            }
            Storage::F32 { values, .. } => {
                kernels.gevm_f32_f32(weights, weights_stride, m, &values[rows], n, k, stride, out);
            }
            Storage::I8 { values, value_scales, .. } => {
                let scales = &value_scales[self.scales(head, n)];
                weights
                    .chunks_mut(weights_stride)
                    .for_each(|weights| kernels.mul_assign(&mut weights[..n], scales));
                kernels.gevm_f32_i8(weights, weights_stride, m, &values[rows], n, k, stride, out);
            }
        }
    }
}
