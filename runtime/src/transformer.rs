//! The BitNet block and the forward pass over rows
//!
//! ```text
//! x += wo · attn_sub_norm(attention(rope(wq·h, wk·h), wv·h))      h = attn_norm(x)
//! x += w_down · ffn_sub_norm(act(w_gate·h) ⊙ w_up·h)              h = ffn_norm(x)
//! ```
//!
//! Every linear layer is ternary weights × int8 activations (arXiv:2402.17764 section 2); the
//! sub-norms and relu² are those of the 2B-4T report (arXiv:2504.12285 section 2.1). A pass takes
//! any mix of rows: prefill, decode, verification of drafts and many conversations are one call,
//! and m rows give the bits of m single rows. Does not sample and knows no text.

use core::fmt;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::i2;

use crate::arena::{Arena, ArenaError};
use crate::config::HiddenAct;
use crate::kv_cache::{Head, KvCache};
use crate::model::{Layer, Model};
use crate::ops::{embed, linear, lm_head, rms_norm, rope_angles};
use crate::parallel::{Parallel, RowsMut, for_each_row};
use crate::plan::MemoryPlan;
use crate::run_state::RunState;

/// One token at one position of one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Conversation, below the plan's `n_slots`.
    pub slot: u32,
    /// Absolute position, below the plan's `context`; at most one past the slot's last.
    pub pos: u32,
    /// Token id, below `vocab_size`.
    pub token_id: u32,
    /// Whether this row's logits are computed.
    pub wants_logits: bool,
}

/// Why a forward pass was refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardError {
    /// More rows than the plan's `max_batch`.
    TooManyRows {
        /// Rows given.
        n_rows: usize,
        /// The plan's `max_batch`.
        max_batch: u32,
    },
    /// More rows want logits than the plan's `max_logit_rows`.
    TooManyLogitRows {
        /// Rows that want logits.
        n_rows: usize,
        /// The plan's `max_logit_rows`.
        max_logit_rows: u32,
    },
    /// A slot that the plan does not have.
    Slot {
        /// The row's slot.
        slot: u32,
        /// The plan's `n_slots`.
        n_slots: u32,
    },
    /// A position past the planned context.
    ContextFull {
        /// The row's position.
        pos: u32,
        /// The plan's `context`.
        context: u32,
    },
    /// A position that leaves a gap or does not follow the slot's previous row in the batch.
    Gap {
        /// The row's position.
        pos: u32,
        /// The position expected, or the last one allowed.
        expected: u32,
    },
    /// A token id outside the vocabulary.
    TokenId {
        /// The id given.
        token_id: u32,
        /// The model's vocabulary size.
        vocab_size: u32,
    },
    /// A logit is infinite or not a number: the weights or scales are damaged.
    NonFiniteLogits {
        /// Position whose logits are not finite.
        pos: u32,
    },
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooManyRows { n_rows, max_batch } => {
                write!(f, "a pass takes at most {max_batch} rows, got {n_rows}")
            }
            Self::TooManyLogitRows { n_rows, max_logit_rows } => {
                write!(f, "a pass gives logits for at most {max_logit_rows} rows, {n_rows} want them")
            }
            Self::Slot { slot, n_slots } => write!(f, "slot {slot} of {n_slots}"),
            Self::ContextFull { pos, context } => {
                write!(f, "position {pos} is past the context of {context} tokens")
            }
            Self::Gap { pos, expected } => write!(f, "position {pos} leaves a gap, expected {expected}"),
            Self::TokenId { token_id, vocab_size } => {
                write!(f, "token id {token_id} is outside the vocabulary of {vocab_size}")
            }
            Self::NonFiniteLogits { pos } => write!(
                f,
                "the logits at position {pos} are not finite: expected numbers, found infinity or NaN; \
                 the model file is damaged or its scales are wrong"
            ),
        }
    }
}

impl core::error::Error for ForwardError {}

/// A model, its caches and its activations.
pub struct Transformer<'a> {
    model: Model<'a>,
    kernels: &'static Kernels,
    parallel: &'a dyn Parallel,
    plan: MemoryPlan,
    state: RunState<'a>,
    cache: KvCache<'a>,
}

impl fmt::Debug for Transformer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformer")
            .field("kernels", &self.kernels.name())
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl<'a> Transformer<'a> {
    /// Carves the caches and activations of `plan` from `arena`.
    pub(crate) fn carve(
        arena: &mut Arena<'a>,
        model: Model<'a>,
        kernels: &'static Kernels,
        parallel: &'a dyn Parallel,
        plan: &MemoryPlan,
    ) -> Result<Self, ArenaError> {
        let state = RunState::carve(arena, plan)?;
        let cache = KvCache::carve(arena, model.config(), plan)?;
        Ok(Self { model, kernels, parallel, plan: *plan, state, cache })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model<'a> {
        &self.model
    }

    /// The plan that the buffers follow.
    #[must_use]
    pub fn plan(&self) -> &MemoryPlan {
        &self.plan
    }

    /// The kernels in use.
    #[must_use]
    pub fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// Positions that the cache of `slot` holds.
    ///
    /// # Panics
    /// If the plan has no such slot.
    #[must_use]
    pub fn n_cached(&self, slot: u32) -> u32 {
        self.state.filled[slot as usize]
    }

    /// Forgets all positions of `slot` from `pos` on.
    ///
    /// # Panics
    /// If the plan has no such slot.
    pub fn truncate(&mut self, slot: u32, pos: u32) {
        let filled = &mut self.state.filled[slot as usize];
        *filled = pos.min(*filled);
    }

    /// Runs `rows` through all layers; returns the logits `[rows that want them, vocab_size]`, in
    /// the order of the rows.
    ///
    /// Rows of one slot are in ascending position without gaps; the first may go back to any
    /// cached position, which forgets what follows. Exact: the same bits for every split into
    /// calls, backend and number of workers. Allocates: no.
    ///
    /// # Errors
    /// [`ForwardError`]; all but `NonFiniteLogits` before anything is changed.
    pub fn forward(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        self.check(rows)?;
        if rows.is_empty() {
            return Ok(&[]);
        }
        self.embed(rows);
        for l in 0..self.model.config().n_layers as usize {
            let layer = self.model.layer(l);
            self.attention(rows, l, &layer);
            self.feed_forward(rows, &layer);
        }
        for row in rows {
            self.state.filled[row.slot as usize] = row.pos + 1;
        }
        self.logits(rows)
    }

    /// The logits of the latest pass, `[rows that wanted them, vocab_size]` and what lies behind.
    #[must_use]
    pub fn latest_logits(&self) -> &[f32] {
        self.state.logits
    }

    fn check(&self, rows: &[Row]) -> Result<(), ForwardError> {
        let options = *self.plan.options();
        let vocab_size = self.model.config().vocab_size;
        if rows.len() > options.max_batch as usize {
            return Err(ForwardError::TooManyRows { n_rows: rows.len(), max_batch: options.max_batch });
        }
        let n_rows = rows.iter().filter(|r| r.wants_logits).count();
        if n_rows > options.max_logit_rows as usize {
            let max_logit_rows = options.max_logit_rows;
            return Err(ForwardError::TooManyLogitRows { n_rows, max_logit_rows });
        }
        for (i, row) in rows.iter().enumerate() {
            if row.slot >= options.n_slots {
                return Err(ForwardError::Slot { slot: row.slot, n_slots: options.n_slots });
            }
            if row.pos >= options.context {
                return Err(ForwardError::ContextFull { pos: row.pos, context: options.context });
            }
            if row.token_id >= vocab_size {
                return Err(ForwardError::TokenId { token_id: row.token_id, vocab_size });
            }
            let previous = rows[..i].iter().rev().find(|r| r.slot == row.slot);
            let (expected, follows) = match previous {
                Some(p) => (p.pos + 1, row.pos == p.pos + 1),
                None => (self.n_cached(row.slot), row.pos <= self.n_cached(row.slot)),
            };
            if !follows {
                return Err(ForwardError::Gap { pos: row.pos, expected });
            }
        }
        Ok(())
    }

    /// Token embeddings to `x`, rotary angles to `cos` and `sin`.
    fn embed(&mut self, rows: &[Row]) {
        let dim = self.model.config().dim as usize;
        let table = self.model.token_embedding();
        let inv_freq = self.model.rope_inv_freq();
        let s = &mut self.state;
        let angles = s.cos.chunks_exact_mut(inv_freq.len()).zip(s.sin.chunks_exact_mut(inv_freq.len()));
        for ((row, x), (cos, sin)) in rows.iter().zip(s.x.chunks_exact_mut(dim)).zip(angles) {
            embed(self.kernels, &table, row.token_id as usize, x);
            rope_angles(row.pos, inv_freq, cos, sin);
        }
    }

    /// `x += wo · attn_sub_norm(attention(...))`.
    fn attention(&mut self, rows: &[Row], l: usize, layer: &Layer<'a>) {
        let config = self.model.config();
        let (kernels, parallel, eps) = (self.kernels, self.parallel, config.norm_eps);
        let (m, dim, head_dim) = (rows.len(), config.dim as usize, config.head_dim as usize);
        let (q_dim, kv_dim) = (config.q_dim() as usize, config.kv_dim() as usize);
        let (n_heads, group_size) = (config.n_heads as usize, config.group_size() as usize);
        let qkv_dim = q_dim + 2 * kv_dim;
        let s = &mut self.state;

        // h = attn_norm(x) -> int8; queries, keys and values in one fork-join.
        norm_quantise(kernels, parallel, m, dim, s.x, layer.attn_norm, eps, s.xb, s.xq, s.x_scale);
        let xq = &s.xq[..m * i2::k_padded(dim)];
        let qkv = &mut s.qkv[..m * qkv_dim];
        linear(kernels, parallel, &[layer.wq, layer.wk, layer.wv], xq, &s.x_scale[..m], qkv, s.acc);

        // Rotate queries and keys; queries take the softmax scale 1/sqrt(head_dim) with them.
        #[expect(clippy::cast_precision_loss, reason = "head_dim is at most 512, exact in f32")]
        let scale = 1.0 / libm::sqrtf(head_dim as f32);
        for (t, (row, qkv)) in rows.iter().zip(qkv.chunks_exact_mut(qkv_dim)).enumerate() {
            let angles = t * head_dim / 2..(t + 1) * head_dim / 2;
            let (cos, sin) = (&s.cos[angles.clone()], &s.sin[angles]);
            for head in qkv[..q_dim + kv_dim].chunks_exact_mut(head_dim) {
                kernels.rope(head, cos, sin);
            }
            qkv[..q_dim].iter_mut().for_each(|q| *q *= scale);
            let (keys, values) = qkv[q_dim..].split_at(kv_dim);
            let heads = keys.chunks_exact(head_dim).zip(values.chunks_exact(head_dim));
            for (kv_head, (key, value)) in heads.enumerate() {
                let head = Head { slot: row.slot as usize, layer: l, kv_head };
                self.cache.store(kernels, head, row.pos as usize, key, value);
            }
        }

        // Softmax attention, one (row, head) at a time: arXiv:1706.03762 section 3.2.1.
        let (cache, qkv) = (&self.cache, &*qkv);
        let heads = RowsMut::new(&mut s.xb[..m * q_dim], head_dim);
        for_each_row(parallel, heads, s.scores, |i, out, scores| {
            let (t, h) = (i / n_heads, i % n_heads);
            let head = Head { slot: rows[t].slot as usize, layer: l, kv_head: h / group_size };
            let scores = &mut scores[..=rows[t].pos as usize];
            let query = &qkv[t * qkv_dim + h * head_dim..][..head_dim];
            cache.scores(kernels, head, query, scores);
            kernels.softmax(scores);
            cache.weighted_values(kernels, head, scores, out);
        });

        // Output projection, back onto the residual stream.
        match layer.attn_sub_norm {
            Some(weight) => {
                norm_quantise(kernels, parallel, m, q_dim, s.xb, weight, eps, s.qkv, s.xq, s.x_scale);
            }
            None => quantise(kernels, m, q_dim, s.xb, s.xq, s.x_scale),
        }
        let xq = &s.xq[..m * i2::k_padded(q_dim)];
        let out = &mut s.xb[..m * dim];
        linear(kernels, parallel, &[layer.wo], xq, &s.x_scale[..m], out, s.acc);
        kernels.add_assign(&mut s.x[..m * dim], out);
    }

    /// `x += w_down · ffn_sub_norm(act(w_gate·h) ⊙ w_up·h)`: gated FFN, arXiv:2002.05202 section 2.
    fn feed_forward(&mut self, rows: &[Row], layer: &Layer<'a>) {
        let config = self.model.config();
        let (kernels, parallel, eps) = (self.kernels, self.parallel, config.norm_eps);
        let (m, dim, hidden) = (rows.len(), config.dim as usize, config.hidden_dim as usize);
        let hidden_act = config.hidden_act;
        let s = &mut self.state;

        norm_quantise(kernels, parallel, m, dim, s.x, layer.ffn_norm, eps, s.xb, s.xq, s.x_scale);
        let xq = &s.xq[..m * i2::k_padded(dim)];
        let gate_up = &mut s.gate_up[..m * 2 * hidden];
        linear(kernels, parallel, &[layer.w_gate, layer.w_up], xq, &s.x_scale[..m], gate_up, s.acc);

        // relu²(gate) · up (ReLU²: arXiv:2109.08668 section 3.1) or silu(gate) · up, then the
        // sub-norm into the half that `up` no longer needs, then int8.
        let padded = i2::k_padded(hidden);
        let outputs = (
            RowsMut::new(gate_up, 2 * hidden),
            RowsMut::new(&mut s.xq[..m * padded], padded),
            RowsMut::new(&mut s.x_scale[..m], 1),
        );
        for_each_row(parallel, outputs, &mut [(); 0], |_, (gate_up, xq, x_scale), _| {
            let (gate, up) = gate_up.split_at_mut(hidden);
            match hidden_act {
                HiddenAct::Relu2 => kernels.relu2_mul(gate, up),
                HiddenAct::Silu => kernels.silu_mul(gate, up),
            }
            x_scale[0] = match layer.ffn_sub_norm {
                Some(weight) => {
                    rms_norm(kernels, gate, weight, eps, up);
                    kernels.quantise_i8(up, xq)
                }
                None => kernels.quantise_i8(gate, xq),
            };
        });

        let out = &mut s.xb[..m * dim];
        linear(kernels, parallel, &[layer.w_down], &s.xq[..m * padded], &s.x_scale[..m], out, s.acc);
        kernels.add_assign(&mut s.x[..m * dim], out);
    }

    /// Final norm and head for the rows that want logits.
    fn logits(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        let config = self.model.config();
        let (dim, vocab_size) = (config.dim as usize, config.vocab_size as usize);
        let s = &mut self.state;
        let wanting = || rows.iter().enumerate().filter(|(_, row)| row.wants_logits);
        let r = wanting().count();
        if r == 0 {
            return Ok(&[]);
        }
        for ((t, _), out) in wanting().zip(s.xb.chunks_exact_mut(dim)) {
            let x = &s.x[t * dim..(t + 1) * dim];
            rms_norm(self.kernels, x, self.model.final_norm(), config.norm_eps, out);
        }
        let logits = &mut s.logits[..r * vocab_size];
        let table = self.model.lm_head();
        let (x, x_scale) = (&s.xb[..r * dim], &mut s.x_scale[..r]);
        lm_head(self.kernels, self.parallel, &table, dim, x, s.head_high, s.head_low, x_scale, logits);
        for ((_, row), logits) in wanting().zip(logits.chunks_exact(vocab_size)) {
            if !all_finite(logits) {
                return Err(ForwardError::NonFiniteLogits { pos: row.pos });
            }
        }
        Ok(logits)
    }
}

/// `xq, x_scale = quantise(rms_norm(x))` for `m` rows of `k` elements.
///
/// `norm_out` holds the normalised rows `[m, k]` on the way.
fn norm_quantise(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    m: usize,
    k: usize,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    norm_out: &mut [f32],
    xq: &mut [i8],
    x_scale: &mut [f32],
) {
    let padded = i2::k_padded(k);
    let outputs = (
        RowsMut::new(&mut norm_out[..m * k], k),
        RowsMut::new(&mut xq[..m * padded], padded),
        RowsMut::new(&mut x_scale[..m], 1),
    );
    for_each_row(parallel, outputs, &mut [(); 0], |t, (normed, xq, x_scale), _| {
        rms_norm(kernels, &x[t * k..(t + 1) * k], weight, eps, normed);
        x_scale[0] = kernels.quantise_i8(normed, xq);
    });
}

/// `xq, x_scale = quantise(x)` for `m` rows of `k` elements.
fn quantise(kernels: &Kernels, m: usize, k: usize, x: &[f32], xq: &mut [i8], x_scale: &mut [f32]) {
    let rows = xq.chunks_exact_mut(i2::k_padded(k)).zip(x_scale).take(m);
    for (t, (xq, x_scale)) in rows.enumerate() {
        *x_scale = kernels.quantise_i8(&x[t * k..(t + 1) * k], xq);
    }
}

/// Whether no element is infinite or NaN; one integer maximum, no branch per element.
fn all_finite(x: &[f32]) -> bool {
    let largest = x.iter().fold(0u32, |max, v| max.max(v.to_bits() & 0x7fff_ffff));
    largest < f32::INFINITY.to_bits()
}
