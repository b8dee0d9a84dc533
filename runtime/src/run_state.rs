//! The activations of one forward pass, carved from the arena
//!
//! Names follow the literature: `x` is the residual stream, `xb` a branch of it.
//! Shapes are for `m` rows of at most `max_batch`.

use crate::arena::{Arena, ArenaError};
use crate::ops::{HeadInputs, Inputs};
use crate::plan::MemoryPlan;

/// Buffers that [`Transformer::forward`](crate::Transformer::forward) works in.
#[derive(Debug)]
pub(crate) struct RunState<'a> {
    /// Residual stream, `[m, dim]`.
    pub(crate) x: &'a mut [f32],
    /// Norm, attention and projection outputs, `[m, dim]` or `[m, q_dim]`.
    pub(crate) xb: &'a mut [f32],
    /// Queries, keys and values side by side, `[m, q_dim + 2 kv_dim]`.
    pub(crate) qkv: &'a mut [f32],
    /// Gate and up side by side, `[m, 2 hidden_dim]`.
    pub(crate) gate_up: &'a mut [f32],
    /// Quantised inputs of the linear layers at hand.
    pub(crate) inputs: Inputs<'a>,
    /// Cosines of the rotary angles, `[m, head_dim / 2]`.
    pub(crate) cos: &'a mut [f32],
    /// Sines of the rotary angles, `[m, head_dim / 2]`.
    pub(crate) sin: &'a mut [f32],
    /// int32 sums, for each worker those of one tile of outputs for `m` rows, or of all outputs for a few.
    pub(crate) acc: &'a mut [i32],
    /// Attention scores, per worker `[group_size, context]`, rows padded to whole reductions.
    pub(crate) scores: &'a mut [f32],
    /// The int8 head's inputs, of as many rows as may want logits.
    pub(crate) head: HeadInputs<'a>,
    /// Twice the middles of the split head's intervals, `[logit rows, vocab_size]`.
    pub(crate) head_middles: &'a mut [i64],
    /// The split head's best rows, per worker `[logit rows, max_top_k]`.
    pub(crate) head_best: &'a mut [u64],
    /// Logits, `[logit rows, vocab_size]`, or embeddings, `[logit rows, dim]`.
    pub(crate) output: &'a mut [f32],
    /// Indices of live rows of `w_up`, then of live columns of `w_down`, `[hidden_dim]`; models with relu² only.
    pub(crate) live: &'a mut [u32],
    /// [`SkipCounts`](crate::SkipCounts), `[n_layers, N_COUNTS]`; models with relu² only.
    pub(crate) skip_counts: &'a mut [u64],
    /// Positions that each slot's cache holds, `[n_slots]`.
    pub(crate) filled: &'a mut [u32],
    /// The ids at these positions, `[n_slots, context]`.
    pub(crate) cached_ids: &'a mut [u32],
}

impl<'a> RunState<'a> {
    pub(crate) fn carve(arena: &mut Arena<'a>, plan: &MemoryPlan) -> Result<Self, ArenaError> {
        let sizes = plan.sizes();
        Ok(Self {
            x: arena.alloc(sizes.x)?,
            xb: arena.alloc(sizes.xb)?,
            qkv: arena.alloc(sizes.qkv)?,
            gate_up: arena.alloc(sizes.gate_up)?,
            inputs: Inputs {
                xq: arena.alloc(sizes.xq)?,
                x_scale: arena.alloc(sizes.x_scale)?,
                normed: arena.alloc(sizes.normed)?,
            },
            cos: arena.alloc(sizes.rope)?,
            sin: arena.alloc(sizes.rope)?,
            acc: arena.alloc(sizes.acc)?,
            scores: arena.alloc(sizes.scores)?,
            head: HeadInputs {
                high: arena.alloc(sizes.head_x)?,
                low: arena.alloc(sizes.head_x)?,
                scale: arena.alloc(sizes.head_scale)?,
                sums: arena.alloc(2 * sizes.head_scale)?,
            },
            head_middles: arena.alloc(sizes.head_middles)?,
            head_best: arena.alloc(sizes.head_best)?,
            output: arena.alloc(sizes.output)?,
            live: arena.alloc(sizes.live)?,
            skip_counts: arena.alloc(sizes.skip_counts)?,
            filled: arena.alloc(sizes.n_slots)?,
            cached_ids: arena.alloc(sizes.cached_ids)?,
        })
    }
}
