//! One model, one arena, open for tokens
//!
//! A [`Session`] carves everything it will ever need from the caller's buffer and then only
//! computes: prefill ids, sample, append, and the self-test that owners of boards paste. It works
//! on ids; text and turns are the console's.

mod lookup;
mod prefix;

pub use lookup::{DecodeCounts, LOOKUP_ROWS, LookupError};
pub use prefix::Restored;

use core::fmt;

use ternlet_kernels::Kernels;

use crate::arena::{Arena, ArenaError};
use crate::logits_hash::{LogitsHash, OutputHash};
use crate::model::Model;
use crate::parallel::Parallel;
use crate::plan::{KvType, MemoryPlan, PlanError};
use crate::sampler::Sampler;
use crate::session::lookup::Lookup;
use crate::transformer::{ForwardError, HeadWork, Row, Transformer};

/// Why a session could not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// The arena is too small or misaligned.
    Arena(ArenaError),
    /// The plan's options do not suit this model.
    Plan(PlanError),
    /// The plan was made for another model.
    PlanMismatch,
    /// The plan counts another number of workers than the `Parallel` has.
    Workers {
        /// Workers planned for.
        plan: u32,
        /// Workers that the `Parallel` has.
        parallel: usize,
    },
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Arena(e) => fmt::Display::fmt(&e, f),
            Self::Plan(e) => fmt::Display::fmt(&e, f),
            Self::PlanMismatch => f.write_str("the memory plan was made for a model of other sizes"),
            Self::Workers { plan, parallel } => {
                write!(f, "the memory plan is for {plan} workers, there are {parallel}")
            }
        }
    }
}

impl core::error::Error for SessionError {}

impl From<ArenaError> for SessionError {
    fn from(e: ArenaError) -> Self {
        Self::Arena(e)
    }
}

/// What the stored self-test gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfTestReport {
    /// Hash stored by `pack`.
    pub expected: u64,
    /// Hash computed here.
    pub found: u64,
    /// Tokens that were run.
    pub n_tokens: u32,
}

impl SelfTestReport {
    /// Whether this machine computed the packer's bits.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.expected == self.found
    }
}

/// Why the self-test gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelfTestError {
    /// The model file holds none.
    Absent,
    /// The stored hash is of an f16 cache; this session's is another.
    KvType {
        /// The session's cache type.
        found: KvType,
    },
    /// A forward pass failed.
    Forward(ForwardError),
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Absent => f.write_str("the model file holds no self-test"),
            Self::KvType { found } => {
                write!(f, "the self-test needs an f16 KV cache, this session's is {}", found.name())
            }
            Self::Forward(e) => fmt::Display::fmt(&e, f),
        }
    }
}

impl core::error::Error for SelfTestError {}

/// Buffers for text, carved with the rest and used by the console.
#[derive(Debug)]
pub(crate) struct TextBuffers<'a> {
    /// Token ids of the conversation, `[context]`.
    pub(crate) history: &'a mut [u32],
    /// The input line, `[max_prompt_bytes]`.
    pub(crate) line: &'a mut [u8],
    /// The text being encoded, a line and the template's text around it.
    pub(crate) text: &'a mut [u8],
    /// The tokenizer's scratch.
    pub(crate) bpe: &'a mut [u32],
}

/// An open model; see the module text.
#[derive(Debug)]
pub struct Session<'a> {
    transformer: Transformer<'a>,
    /// How many of the largest logits passes must give; `None`: all.
    top_k: Option<u32>,
    keys: &'a mut [u64],
    pub(crate) text: TextBuffers<'a>,
    used_bytes: usize,
    lookup: Lookup,
}

impl<'a> Session<'a> {
    /// Carves the session of `plan` from `arena`, whose base must be 64-byte aligned.
    ///
    /// Uses exactly [`MemoryPlan::bytes`]; nothing is allocated afterwards.
    ///
    /// # Errors
    /// [`SessionError`]: arena too small (need and have), or a plan for another model or
    /// another number of workers.
    pub fn new(
        model: Model<'a>,
        kernels: &'static Kernels,
        parallel: &'a dyn Parallel,
        plan: &MemoryPlan,
        arena: &'a mut [u8],
    ) -> Result<Self, SessionError> {
        let options = plan.options();
        if MemoryPlan::new(model.config(), options).map_err(SessionError::Plan)? != *plan {
            return Err(SessionError::PlanMismatch);
        }
        if options.n_workers as usize != parallel.n_workers() {
            return Err(SessionError::Workers { plan: options.n_workers, parallel: parallel.n_workers() });
        }
        let have = arena.len();
        if have < plan.bytes() {
            return Err(ArenaError::Exhausted { need: plan.bytes(), have }.into());
        }
        let mut arena = Arena::new(arena)?;
        let sizes = plan.sizes();
        let transformer = Transformer::carve(&mut arena, model, kernels, parallel, plan)?;
        let keys = arena.alloc(sizes.candidates)?;
        let text = TextBuffers {
            history: arena.alloc(sizes.history)?,
            line: arena.alloc(sizes.line)?,
            text: arena.alloc(sizes.text)?,
            bpe: arena.alloc(sizes.bpe)?,
        };
        let (used_bytes, lookup) = (arena.used_bytes(), Lookup::default());
        Ok(Self { transformer, top_k: None, keys, text, used_bytes, lookup })
    }

    /// Bytes carved from the arena: its high-water mark.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// The transformer, for passes over rows of any slot; [`sample`](Self::sample) then reads the first row of the
    /// latest output.
    #[must_use]
    pub fn transformer(&mut self) -> &mut Transformer<'a> {
        self.drop_ahead();
        self.lookup.draft.clear();
        self.lookup.n_taken = 0;
        &mut self.transformer
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model<'a> {
        self.transformer.model()
    }

    /// The memory plan.
    #[must_use]
    pub fn plan(&self) -> &MemoryPlan {
        self.transformer.plan()
    }

    /// The kernels in use.
    #[must_use]
    pub fn kernels(&self) -> &'static Kernels {
        self.transformer.kernels()
    }

    /// What the head has read since the session opened.
    #[must_use]
    pub fn head_work(&self) -> HeadWork {
        self.transformer.head_work()
    }

    /// Positions that slot 0 holds.
    #[must_use]
    pub fn n_cached(&self) -> u32 {
        self.transformer.n_cached(0) - self.lookup.n_ahead()
    }

    /// The ids at these positions.
    #[must_use]
    pub fn cached_ids(&self) -> &[u32] {
        &self.transformer.cached_ids(0)[..self.n_cached() as usize]
    }

    /// Forgets slot 0 from position `pos` on.
    pub fn truncate(&mut self, pos: u32) {
        self.drop_ahead();
        self.transformer.truncate(0, pos);
    }

    /// Forgets the rows of guesses that were not appended.
    fn drop_ahead(&mut self) {
        let n_cached = self.n_cached();
        self.transformer.truncate(0, n_cached);
        self.lookup.draft.truncate(self.lookup.n_taken);
    }

    /// Whether [`append`](Self::append) runs guesses along, found by look-up in slot 0's own ids; off at first.
    ///
    /// Changes no id and no bit of a logit, only the number of passes: see [`DecodeCounts`].
    ///
    /// # Errors
    /// [`LookupError`] if the plan has no room for a second row of logits; look-up then stays as it was.
    pub fn set_lookup(&mut self, is_on: bool) -> Result<(), LookupError> {
        let n_rows = self.rows_with_logits();
        if is_on && n_rows < 2 {
            return Err(LookupError { n_rows });
        }
        self.lookup.is_on = is_on;
        Ok(())
    }

    /// Passes and tokens of [`append`](Self::append) since the session opened.
    #[must_use]
    pub fn decode_counts(&self) -> DecodeCounts {
        self.lookup.counts
    }

    /// Rows of one pass that may all want logits.
    fn rows_with_logits(&self) -> u32 {
        let options = self.plan().options();
        options.max_logit_rows.min(options.max_batch)
    }

    /// Makes later passes give the logits that `sampler` needs, and possibly no others: what a split head need not read
    /// then stays unread. A session that was not told gives all.
    pub fn prepare_for(&mut self, sampler: &Sampler) {
        self.top_k = sampler.n_candidates();
    }

    /// Appends `ids` to slot 0 in batches; the last one gets logits, for [`sample`](Self::sample).
    ///
    /// Before each batch `go_on` is asked with the number of ids done; when it says no, the ids
    /// done so far stay cached. Returns the number of ids done.
    ///
    /// # Errors
    /// [`ForwardError`] of the batch that failed; the batches before it stay cached.
    pub fn prefill(
        &mut self,
        ids: &[u32],
        mut go_on: impl FnMut(usize) -> bool,
    ) -> Result<usize, ForwardError> {
        let max_batch = (self.plan().options().max_batch as usize).min(ROWS_AT_ONCE);
        let mut done = 0;
        while done < ids.len() && go_on(done) {
            let batch = &ids[done..ids.len().min(done + max_batch)];
            let is_last = done + batch.len() == ids.len();
            let rows = rows(self.n_cached(), batch, |i| is_last && i + 1 == batch.len());
            let top_k = self.top_k;
            self.transformer().forward_top(&rows, top_k)?;
            done += batch.len();
        }
        Ok(done)
    }

    /// Appends one id to slot 0 and computes the logits that follow it.
    ///
    /// With look-up on, guesses for the ids behind it go through the same pass; appending one of them, in order, then
    /// needs no pass.
    ///
    /// # Errors
    /// [`ForwardError`], for example when the context is full.
    pub fn append(&mut self, token_id: u32) -> Result<(), ForwardError> {
        if self.lookup.takes(token_id) {
            self.lookup.counts.n_tokens += 1;
            return Ok(());
        }
        let pos = self.n_cached();
        let context = self.plan().options().context;
        let room = (self.rows_with_logits() - 1).min(context.saturating_sub(pos + 1));
        let draft = self.lookup.guess(self.cached_ids(), token_id, room as usize);
        let rows: heapless::Vec<Row, { LOOKUP_ROWS as usize }> = (pos..)
            .zip(core::iter::once(token_id).chain(draft.iter().copied()))
            .map(|(pos, token_id)| Row { slot: 0, pos, token_id, wants_logits: true })
            .collect();
        let top_k = self.top_k;
        let transformer = self.transformer();
        match transformer.forward_top(&rows, top_k) {
            Ok(_) => self.lookup.draft = draft,
            // Without the guesses nobody would have seen those logits.
            Err(ForwardError::NonFiniteLogits { pos: at }) if at > pos => {
                transformer.truncate(0, pos);
                transformer.forward_top(&rows[..1], top_k)?;
            }
            Err(e) => return Err(e),
        }
        self.lookup.counts.n_passes += 1;
        self.lookup.counts.n_tokens += 1;
        Ok(())
    }

    /// The embedding of the text `ids`, `[dim]` and of length 1; forgets what slot 0 held.
    ///
    /// Exact: the same bits for every batch size, backend and number of workers.
    ///
    /// # Errors
    /// [`ForwardError`]: no ids, more than the context holds, or a model that predicts tokens.
    pub fn embed(&mut self, ids: &[u32]) -> Result<&[f32], ForwardError> {
        self.truncate(0);
        let options = self.plan().options();
        let max_batch = (options.max_batch as usize).min(ROWS_AT_ONCE);
        if ids.len() > options.context as usize {
            let context = options.context;
            return Err(ForwardError::ContextFull { pos: context, context });
        }
        let last = ids.len().checked_sub(1).ok_or(ForwardError::NoTokens)? / max_batch;
        for (i, batch) in ids.chunks(max_batch).enumerate() {
            let rows = rows(self.n_cached(), batch, |row| i == last && row + 1 == batch.len());
            self.transformer().embeddings(&rows)?;
        }
        let dim = self.model().config().dim as usize;
        Ok(&self.transformer.latest_output()[..dim])
    }

    /// The token that follows the latest logits, and its part of the hash.
    ///
    /// # Panics
    /// If nothing has been appended yet; to an embedding model nothing can be. If `sampler` needs more logits than the
    /// one that the session was prepared for.
    pub fn sample(&mut self, sampler: &Sampler, hash: &mut OutputHash) -> u32 {
        let pos = self.n_cached().checked_sub(1).expect("sampling follows an appended token");
        let is_whole = self.transformer.has_all_logits();
        let is_enough = is_whole || sampler.n_candidates().is_some_and(|k| Some(k) <= self.top_k);
        assert!(is_enough, "the session was prepared for a sampler that needs fewer logits");
        let vocab_size = self.keys.len();
        let logits = &self.transformer.latest_output()[self.lookup.n_taken * vocab_size..][..vocab_size];
        let id = sampler.sample(pos, logits, self.keys);
        hash.update(pos, is_whole.then_some(logits), id);
        id
    }

    /// Runs the ids that `pack` stored and compares the hash of all their logits.
    ///
    /// Leaves slot 0 empty.
    ///
    /// # Errors
    /// [`SelfTestError`] if there is none, or it cannot run here.
    pub fn self_test(&mut self) -> Result<SelfTestReport, SelfTestError> {
        let stored = self.model().self_test().ok_or(SelfTestError::Absent)?;
        let found = self.plan().options().kv;
        if found != KvType::F16 {
            return Err(SelfTestError::KvType { found });
        }
        self.truncate(0);
        let hash = self.hash_ids(stored.ids).map_err(SelfTestError::Forward);
        self.truncate(0);
        let n_tokens = u32::try_from(stored.ids.len()).unwrap_or(u32::MAX);
        Ok(SelfTestReport { expected: stored.logits_hash, found: hash?, n_tokens })
    }

    /// The logits hash of `ids` appended to slot 0, every position included; of an embedding model the same hash over the
    /// embeddings.
    ///
    /// # Errors
    /// [`ForwardError`] of the pass that failed.
    pub fn hash_ids(&mut self, ids: &[u32]) -> Result<u64, ForwardError> {
        let mut hash = LogitsHash::new();
        let config = self.model().config();
        let (output_dim, is_embedding_model) = (config.output_dim() as usize, config.pooling.is_some());
        let rows_per_pass = (self.plan().options().max_logit_rows as usize).min(ROWS_AT_ONCE);
        for batch in ids.chunks(rows_per_pass) {
            let rows = rows(self.n_cached(), batch, |_| true);
            let outputs = match is_embedding_model {
                true => self.transformer().embeddings(&rows)?,
                false => self.transformer().forward(&rows)?,
            };
            for (row, output) in rows.iter().zip(outputs.chunks_exact(output_dim)) {
                hash.update(row.pos, output);
            }
        }
        Ok(hash.finish())
    }
}

/// Rows of one slot that are described on the stack for a pass: 4 KiB of it.
const ROWS_AT_ONCE: usize = 256;

/// At most [`ROWS_AT_ONCE`] ids of slot 0 from position `first` on.
fn rows(first: u32, ids: &[u32], wants_logits: impl Fn(usize) -> bool) -> heapless::Vec<Row, ROWS_AT_ONCE> {
    (first..)
        .zip(ids)
        .enumerate()
        .map(|(i, (pos, &token_id))| Row { slot: 0, pos, token_id, wants_logits: wants_logits(i) })
        .collect()
}
