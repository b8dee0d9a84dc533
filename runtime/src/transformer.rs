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

mod attention;
mod error;
mod feed_forward;
mod output;
mod positions;

pub use error::ForwardError;

use core::fmt;

use ternlet_kernels::Kernels;

use crate::arena::{Arena, ArenaError};
use crate::config::Config;
use crate::kv_cache::KvCache;
use crate::model::Model;
use crate::ops::{embed, rope_angles};
use crate::parallel::{Parallel, RowsMut, for_each_row};
use crate::plan::MemoryPlan;
use crate::run_state::RunState;
use crate::skip::{N_COUNTS, SkipCounts, SkipLimits};

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

/// What the head has read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadWork {
    /// Rows of the head that logits were wanted of: `vocab_size` for each row of a pass.
    pub n_rows: u64,
    /// Those that were read whole; the others, of a split head, in their high plane alone.
    pub n_completed: u64,
}

impl HeadWork {
    /// What came after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self { n_rows: self.n_rows - earlier.n_rows, n_completed: self.n_completed - earlier.n_completed }
    }

    /// The share of rows that were read whole; 0 before the first.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown to people with a few digits")]
    pub fn share(&self) -> f64 {
        if self.n_rows == 0 { 0.0 } else { self.n_completed as f64 / self.n_rows as f64 }
    }
}

/// A model, its caches and its activations.
pub struct Transformer<'a> {
    model: Model<'a>,
    kernels: &'static Kernels,
    parallel: &'a dyn Parallel,
    plan: MemoryPlan,
    state: RunState<'a>,
    cache: KvCache<'a>,
    skip: Option<SkipLimits>,
    head_work: HeadWork,
    /// Whether the latest logits are all there.
    output_is_whole: bool,
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
        Ok(Self {
            model,
            kernels,
            parallel,
            plan: *plan,
            state,
            cache,
            skip: Some(SkipLimits::default()),
            head_work: HeadWork::default(),
            output_is_whole: true,
        })
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

    /// The ids at the positions that the cache of `slot` holds.
    ///
    /// # Panics
    /// If the plan has no such slot.
    #[must_use]
    pub fn cached_ids(&self, slot: u32) -> &[u32] {
        let first = slot as usize * self.plan.options().context as usize;
        &self.state.cached_ids[first..first + self.n_cached(slot) as usize]
    }

    /// Forgets all positions of `slot` from `pos` on.
    ///
    /// # Panics
    /// If the plan has no such slot.
    pub fn truncate(&mut self, slot: u32, pos: u32) {
        let filled = &mut self.state.filled[slot as usize];
        *filled = pos.min(*filled);
    }

    /// Sets when rows of `w_up` and columns of `w_down` that are of no use are left out; `None`: never. No bit of any
    /// result depends on it.
    pub fn set_skip(&mut self, limits: Option<SkipLimits>) {
        self.skip = limits;
    }

    /// What the skip found and read in layer `layer` so far.
    ///
    /// # Panics
    /// If `layer` is not below `n_layers`.
    #[must_use]
    pub fn skip_counts(&self, layer: usize) -> SkipCounts {
        assert!(layer < self.model.config().n_layers as usize, "layer {layer}");
        self.state.skip_counts.chunks_exact(N_COUNTS).nth(layer).map_or(SkipCounts::default(), SkipCounts::of)
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
        self.forward_top(rows, None)
    }

    /// [`forward`](Self::forward) where the `top_k` largest logits of each row are enough
    /// ([`Sampler::n_candidates`](crate::Sampler::n_candidates)): these, and all that equal the last of them, have their
    /// bits; any others may be negative infinity.
    ///
    /// What a split head leaves out then is not read. All logits are computed if the head is not split, or `top_k` is
    /// `None`, over the plan's `max_top_k` or not below `vocab_size`. The same logits are left out on every backend,
    /// whatever the number of workers.
    ///
    /// # Errors
    /// As `forward`: a logit that is not finite is found in either way.
    pub fn forward_top(&mut self, rows: &[Row], top_k: Option<u32>) -> Result<&[f32], ForwardError> {
        if self.model.config().pooling.is_some() && rows.iter().any(|row| row.wants_logits) {
            return Err(ForwardError::NoLogits);
        }
        self.check(rows)?;
        self.layers(rows);
        self.logits(rows, top_k)
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

    /// What the head has read since the session opened.
    #[must_use]
    pub fn head_work(&self) -> HeadWork {
        self.head_work
    }

    /// Whether the latest pass left no logit out.
    #[must_use]
    pub fn has_all_logits(&self) -> bool {
        self.output_is_whole
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
            self.feed_forward(rows, l, &layer);
        }
        let context = self.plan.options().context as usize;
        for row in rows {
            self.state.filled[row.slot as usize] = row.pos + 1;
            self.state.cached_ids[row.slot as usize * context + row.pos as usize] = row.token_id;
        }
    }

    /// Token embeddings to `x`, rotary angles to `cos` and `sin`.
    fn embed(&mut self, rows: &[Row]) {
        let dim = self.model.config().dim as usize;
        let table = self.model.token_embedding();
        let inv_freq = self.model.rope_inv_freq();
        let (kernels, m, half) = (self.kernels, rows.len(), inv_freq.len());
        let s = &mut self.state;
        let outputs = (
            RowsMut::new(&mut s.x[..m * dim], dim),
            RowsMut::new(&mut s.cos[..m * half], half),
            RowsMut::new(&mut s.sin[..m * half], half),
        );
        for_each_row(self.parallel, outputs, &mut [(); 0], |t, (x, cos, sin), _| {
            embed(kernels, &table, rows[t].token_id as usize, x);
            rope_angles(rows[t].pos, inv_freq, cos, sin);
        });
    }
}

/// What the block's norms and the linear layers' own norms add to the mean square.
fn norm_eps(config: &Config) -> (f32, f32) {
    // Without norms in the linear layers the second is never used.
    (config.norm_eps, config.linear_norm_eps.unwrap_or(config.norm_eps))
}
