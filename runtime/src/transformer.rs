//! The BitNet block and the forward pass over rows
//!
//! ```text
//! x += wo · attn_sub_norm(attention(rope(q_norm(wq·h), k_norm(wk·h)), wv·h))      h = attn_norm(x)
//! x += w_down · ffn_sub_norm(act(w_gate·h) ⊙ w_up·h)                              h = ffn_norm(x)
//! logits = lm_head · final_norm(x)       or, of an embedding model:  y / |y|,  y = final_norm(x)
//! ```
//!
//! Every linear layer is ternary weights × int8 activations (arXiv:2402.17764 section 2). What a model lacks of these
//! norms is the identity: the sub-norms and relu² are those of the 2B-4T report (arXiv:2504.12285 section 2.1), the norms
//! of queries and keys Qwen3's (arXiv:2505.09388 section 2), and any linear layer may have a norm of its own over its
//! input. A pass takes any mix of rows: prefill, decode, verification of drafts and many conversations are one call,
//! and m rows give the bits of m single rows. Does not sample and knows no text.

mod error;

pub use error::ForwardError;

use core::fmt;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::i2;

use crate::arena::{Arena, ArenaError};
use crate::config::{Config, HiddenAct};
use crate::kv_cache::{Head, KvCache};
use crate::model::{Layer, Model};
use crate::ops::{embed, l2_normalise, linear, lm_head, quantise_inputs, rms_norm, rope_angles};
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
    /// Whether this row's logits, or its embedding, are computed.
    pub wants_logits: bool,
}

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
    /// [`ForwardError`]; all but `NonFiniteLogits` before anything is changed. `NoLogits` if a row of an embedding model
    /// wants them; its rows that do not only fill the cache.
    pub fn forward(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        if self.model.config().pooling.is_some() && rows.iter().any(|row| row.wants_logits) {
            return Err(ForwardError::NoLogits);
        }
        self.check(rows)?;
        self.layers(rows);
        self.logits(rows)
    }

    /// Runs `rows` through all layers of an embedding model; returns the embeddings `[rows that want logits, dim]`, in
    /// the order of the rows: each is that of the text which ends with its row, and of length 1.
    ///
    /// Rows and exactness as in [`forward`](Self::forward).
    ///
    /// # Errors
    /// [`ForwardError`]; all but `NoDirection` before anything is changed.
    pub fn embeddings(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        if self.model.config().pooling.is_none() {
            return Err(ForwardError::NoEmbedding);
        }
        self.check(rows)?;
        self.layers(rows);
        self.pooled(rows)
    }

    /// The output of the latest pass and what lies behind: `[rows that wanted it, vocab_size]`, or `[.., dim]` of an
    /// embedding model.
    #[must_use]
    pub fn latest_output(&self) -> &[f32] {
        self.state.output
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

    /// All layers; the residual stream of every row stays in `x`, keys and values in the cache.
    fn layers(&mut self, rows: &[Row]) {
        if rows.is_empty() {
            return;
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
        let (kernels, parallel) = (self.kernels, self.parallel);
        let (eps, linear_eps) = norm_eps(config);
        let (m, dim, head_dim) = (rows.len(), config.dim as usize, config.head_dim as usize);
        let (q_dim, kv_dim) = (config.q_dim() as usize, config.kv_dim() as usize);
        let (n_heads, group_size) = (config.n_heads as usize, config.group_size() as usize);
        let qkv_dim = q_dim + 2 * kv_dim;
        let s = &mut self.state;

        // h = attn_norm(x) -> int8; queries, keys and values in one fork-join.
        let linears = [layer.wq, layer.wk, layer.wv];
        let norm = Some((layer.attn_norm, eps));
        quantise_inputs(kernels, parallel, m, s.x, norm, s.xb, &linears, linear_eps, &mut s.inputs);
        let qkv = &mut s.qkv[..m * qkv_dim];
        linear(kernels, parallel, &linears, &s.inputs, qkv, s.acc);

        // Normalise each head of queries and keys; `xb` is free for what goes in.
        for qkv in qkv.chunks_exact_mut(qkv_dim) {
            let (queries, keys) = qkv[..q_dim + kv_dim].split_at_mut(q_dim);
            for (heads, norm) in [(queries, layer.q_norm), (keys, layer.k_norm)] {
                let Some(weight) = norm else { continue };
                for head in heads.chunks_exact_mut(head_dim) {
                    let x = &mut s.xb[..head_dim];
                    x.copy_from_slice(head);
                    rms_norm(kernels, x, weight, eps, head);
                }
            }
        }

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
        let norm = layer.attn_sub_norm.map(|weight| (weight, eps));
        quantise_inputs(kernels, parallel, m, s.xb, norm, s.qkv, &[layer.wo], linear_eps, &mut s.inputs);
        let out = &mut s.xb[..m * dim];
        linear(kernels, parallel, &[layer.wo], &s.inputs, out, s.acc);
        kernels.add_assign(&mut s.x[..m * dim], out);
    }

    /// `x += w_down · ffn_sub_norm(act(w_gate·h) ⊙ w_up·h)`: gated FFN, arXiv:2002.05202 section 2.
    fn feed_forward(&mut self, rows: &[Row], layer: &Layer<'a>) {
        let config = self.model.config();
        let (kernels, parallel) = (self.kernels, self.parallel);
        let (eps, linear_eps) = norm_eps(config);
        let (m, dim, hidden) = (rows.len(), config.dim as usize, config.hidden_dim as usize);
        let hidden_act = config.hidden_act;
        let s = &mut self.state;

        let linears = [layer.w_gate, layer.w_up];
        let norm = Some((layer.ffn_norm, eps));
        quantise_inputs(kernels, parallel, m, s.x, norm, s.xb, &linears, linear_eps, &mut s.inputs);
        let gate_up = &mut s.gate_up[..m * 2 * hidden];
        linear(kernels, parallel, &linears, &s.inputs, gate_up, s.acc);

        // relu²(gate) · up (ReLU²: arXiv:2109.08668 section 3.1) or silu(gate) · up, then the norms, each into the half
        // that its input does not need, then int8.
        let padded = i2::k_padded(hidden);
        let outputs = (
            RowsMut::new(gate_up, 2 * hidden),
            RowsMut::new(&mut s.inputs.xq[..m * padded], padded),
            RowsMut::new(&mut s.inputs.x_scale[..m], 1),
        );
        for_each_row(parallel, outputs, &mut [(); 0], |_, (gate_up, xq, x_scale), _| {
            let (gate, up) = gate_up.split_at_mut(hidden);
            match hidden_act {
                HiddenAct::Relu2 => kernels.relu2_mul(gate, up),
                HiddenAct::Silu => kernels.silu_mul(gate, up),
            }
            let (mut h, mut free) = (gate, up);
            for (norm, eps) in [(layer.ffn_sub_norm, eps), (layer.w_down.norm, linear_eps)] {
                if let Some(weight) = norm {
                    rms_norm(kernels, h, weight, eps, free);
                    (h, free) = (free, h);
                }
            }
            x_scale[0] = kernels.quantise_i8(h, xq);
        });

        let out = &mut s.xb[..m * dim];
        linear(kernels, parallel, &[layer.w_down], &s.inputs, out, s.acc);
        kernels.add_assign(&mut s.x[..m * dim], out);
    }

    /// Head for the rows that want logits.
    fn logits(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        let config = self.model.config();
        let (dim, vocab_size) = (config.dim as usize, config.vocab_size as usize);
        let r = self.final_norm(rows);
        if r == 0 {
            return Ok(&[]);
        }
        let s = &mut self.state;
        let logits = &mut s.output[..r * vocab_size];
        let table = self.model.lm_head();
        let (x, x_scale) = (&s.xb[..r * dim], &mut s.inputs.x_scale[..r]);
        lm_head(self.kernels, self.parallel, &table, dim, x, s.head_high, s.head_low, x_scale, logits);
        for (row, logits) in wanting(rows).zip(logits.chunks_exact(vocab_size)) {
            if !all_finite(logits) {
                return Err(ForwardError::NonFiniteLogits { pos: row.1.pos });
            }
        }
        Ok(logits)
    }

    /// Embeddings of the texts that end with the rows that want them: `Pooling::LastToken`.
    fn pooled(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        let dim = self.model.config().dim as usize;
        let r = self.final_norm(rows);
        let s = &mut self.state;
        let embeddings = &mut s.output[..r * dim];
        let pairs = s.xb.chunks_exact(dim).zip(embeddings.chunks_exact_mut(dim));
        for ((_, row), (x, out)) in wanting(rows).zip(pairs) {
            if !l2_normalise(self.kernels, x, out) {
                return Err(ForwardError::NoDirection { pos: row.pos });
            }
        }
        Ok(embeddings)
    }

    /// `final_norm(x)` of the rows that want it, one after the other into `xb`; returns how many.
    fn final_norm(&mut self, rows: &[Row]) -> usize {
        let config = self.model.config();
        let dim = config.dim as usize;
        let s = &mut self.state;
        for ((t, _), out) in wanting(rows).zip(s.xb.chunks_exact_mut(dim)) {
            let x = &s.x[t * dim..(t + 1) * dim];
            rms_norm(self.kernels, x, self.model.final_norm(), config.norm_eps, out);
        }
        wanting(rows).count()
    }
}

/// The rows that want an output, with their places in the pass.
fn wanting(rows: &[Row]) -> impl Iterator<Item = (usize, &Row)> {
    rows.iter().enumerate().filter(|(_, row)| row.wants_logits)
}

/// What the block's norms and the linear layers' own norms add to the mean square.
fn norm_eps(config: &Config) -> (f32, f32) {
    // Without norms in the linear layers the second is never used.
    (config.norm_eps, config.linear_norm_eps.unwrap_or(config.norm_eps))
}

/// Whether no element is infinite or NaN; one integer maximum, no branch per element.
fn all_finite(x: &[f32]) -> bool {
    let largest = x.iter().fold(0u32, |max, v| max.max(v.to_bits() & 0x7fff_ffff));
    largest < f32::INFINITY.to_bits()
}
