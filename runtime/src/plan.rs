//! The arena's exact size, before anything runs
//!
//! [`MemoryPlan`] turns a model's [`Config`] and the caller's [`PlanOptions`] into the element
//! count of every buffer. The same counts carve the arena, so [`MemoryPlan::bytes`] is its
//! high-water mark to the byte. Weights are not in the plan: they are used in place.

use core::fmt;

use ternlet_kernels::layout::{TernaryLayout, i2, i8_split};

use crate::arena::align_up;
use crate::config::{Config, HiddenAct};
use crate::ops::{MAX_JOINED_ROWS, outputs_per_tile};
use crate::skip::N_COUNTS;
use crate::tokenizer::Tokenizer;

/// Output rows that a worker computes before it scales them: enough to pay for what a GEMM finds out about its
/// activations (8 % of its time with 64 rows on AVX-512), few enough for the sums of 128 tokens (128 KiB) to stay in L2.
pub(crate) const TILE_ROWS: usize = 256;

/// int32 sums in a cache line: workers that share one would wait for each other.
const SUMS_PER_LINE: u64 = 16;

/// Room for the template's own text beside a prompt, in bytes.
const TEMPLATE_TEXT_BYTES: usize = 2048;

/// Elements that a cached head is padded to, so that each cached row starts vector-aligned; a row of int8 is padded as
/// the quantiser pads it.
const HEAD_ALIGN: u64 = 32;

/// Elements that a row of attention scores is padded to, so that every head's starts vector-aligned.
const SCORES_ALIGN: u64 = 16;

/// Element type of cached keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvType {
    /// IEEE half precision, rounded to nearest even, saturating.
    #[default]
    F16,
    /// Single precision: twice the memory, no rounding.
    F32,
    /// Eight bits and one scale per position and KV head: half the memory, see `kv_cache.rs` for what it does to numbers.
    I8,
}

impl KvType {
    /// Bytes of one element, without the scale that eight bits need.
    #[must_use]
    pub const fn size_bytes(self) -> u64 {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::I8 => 1,
        }
    }

    /// The number that stands for it in files.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::F16 => 0,
            Self::F32 => 1,
            Self::I8 => 2,
        }
    }

    /// The type that `code` stands for.
    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::F16),
            1 => Some(Self::F32),
            2 => Some(Self::I8),
            _ => None,
        }
    }

    /// The name used on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::I8 => "i8",
        }
    }
}

/// What a session shall hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanOptions {
    /// Positions per slot, in tokens; at most the model's `max_seq_len`.
    pub context: u32,
    /// Rows that one forward pass takes, in tokens.
    pub max_batch: u32,
    /// Rows of one forward pass that may want logits; at most `max_batch`.
    pub max_logit_rows: u32,
    /// Most candidates among which a split head finds the next token without all logits; 0: it always computes them
    /// all. Below `vocab_size` to have an effect.
    pub max_top_k: u32,
    /// Independent conversations.
    pub n_slots: u32,
    /// Workers of the [`Parallel`](crate::Parallel) that will run the session.
    pub n_workers: u32,
    /// Element type of the KV cache.
    pub kv: KvType,
    /// Longest text that is encoded at once, in bytes; 0 for a session that works on ids alone.
    pub max_prompt_bytes: u32,
}

impl Default for PlanOptions {
    /// One conversation of 512 tokens on one worker, prompts of up to 8 KiB.
    fn default() -> Self {
        Self {
            context: 512,
            max_batch: 32,
            max_logit_rows: 1,
            max_top_k: 0,
            n_slots: 1,
            n_workers: 1,
            kv: KvType::F16,
            max_prompt_bytes: 8192,
        }
    }
}

/// Candidates that a session on a split head had best plan for: more than samplers usually keep.
pub const MAX_TOP_K: u32 = 64;

/// Why no plan can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// An option that must be at least 1 is 0.
    Zero {
        /// The option's name.
        option: &'static str,
    },
    /// The context is longer than the model was made for.
    ContextTooLong {
        /// Positions asked for.
        context: u32,
        /// The model's `max_seq_len`.
        max_seq_len: u32,
    },
    /// More rows want logits than a batch has.
    TooManyLogitRows {
        /// Rows asked for.
        max_logit_rows: u32,
        /// Rows in a batch.
        max_batch: u32,
    },
    /// The sizes overflow this machine's address space.
    TooLarge,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Zero { option } => write!(f, "{option} must be at least 1, is 0"),
            Self::ContextTooLong { context, max_seq_len } => {
                write!(f, "context of {context} tokens asked for, the model takes at most {max_seq_len}")
            }
            Self::TooManyLogitRows { max_logit_rows, max_batch } => {
                write!(f, "logits for {max_logit_rows} rows asked for, a batch has {max_batch}")
            }
            Self::TooLarge => f.write_str("the session's buffers exceed this machine's address space"),
        }
    }
}

impl core::error::Error for PlanError {}

/// Element counts of every buffer of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// One of the two caches, `[n_slots, n_layers, n_kv_heads, context, head_dim_padded]`.
    pub(crate) kv: usize,
    pub(crate) head_dim_padded: usize,
    /// Scales of one of the two caches, `[n_slots, n_layers, n_kv_heads, context]`; nothing where elements are floats.
    pub(crate) kv_scales: usize,
    /// `[max_batch, dim]`.
    pub(crate) x: usize,
    /// `[max_batch, max(dim, q_dim)]`.
    pub(crate) xb: usize,
    /// `[max_batch, q_dim + 2 kv_dim]`.
    pub(crate) qkv: usize,
    /// `[max_batch, 2 hidden_dim]`.
    pub(crate) gate_up: usize,
    /// Int8 inputs: for each row the longest one, or the three of queries, keys and values where these have norms of
    /// their own and all three are longer.
    pub(crate) xq: usize,
    /// `[planes, max_batch]`.
    pub(crate) x_scale: usize,
    /// `[max_batch, max(dim, q_dim)]` if linear layers have norms of their own, else nothing.
    pub(crate) normed: usize,
    /// `[max_batch, head_dim / 2]`, for cos and again for sin.
    pub(crate) rope: usize,
    /// `[n_workers, ..]`: `TILE_ROWS · max_batch`, or what a column-major `w_down` needs if that is more.
    pub(crate) acc: usize,
    /// `[n_workers, group_size, context]`, the context rounded up to [`SCORES_ALIGN`].
    pub(crate) scores: usize,
    /// `[max_logit_rows, dim padded to blocks]`, int8, for the high and again for the low plane; nothing without a head.
    pub(crate) head_x: usize,
    /// `[max_logit_rows]`; nothing without a head.
    pub(crate) head_scale: usize,
    /// `[max_logit_rows, vocab_size]`, int64; nothing without a head or candidates.
    pub(crate) head_middles: usize,
    /// `[n_workers, max_logit_rows, max_top_k]` keys; nothing without a head.
    pub(crate) head_best: usize,
    /// Logits, `[max_logit_rows, vocab_size]`, or embeddings, `[max_logit_rows, dim]`.
    pub(crate) output: usize,
    /// `[vocab_size]` sort keys of the sampler; nothing in embedding models.
    pub(crate) candidates: usize,
    /// `[hidden_dim]` of a model with relu².
    pub(crate) live: usize,
    /// `[n_layers, N_COUNTS]` of a model with relu².
    pub(crate) skip_counts: usize,
    /// `[n_slots]`.
    pub(crate) n_slots: usize,
    /// `[n_slots, context]` ids of the cached positions.
    pub(crate) cached_ids: usize,
    /// `[context]` token ids of the conversation.
    pub(crate) history: usize,
    /// Bytes of the input line.
    pub(crate) line: usize,
    /// Bytes of the text being encoded: a line and the template's text around it.
    pub(crate) text: usize,
    /// The tokenizer's scratch, counted in u32.
    pub(crate) bpe: usize,
}

/// The exact memory of a session; see the module text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    options: PlanOptions,
    sizes: Sizes,
    kv_bytes: usize,
    total_bytes: usize,
}

impl MemoryPlan {
    /// Plans a session of `options` for a model of `config`.
    ///
    /// # Errors
    /// [`PlanError`] if an option is out of range or the sizes overflow.
    pub fn new(config: &Config, options: &PlanOptions) -> Result<Self, PlanError> {
        let o = options;
        for (option, value) in [
            ("context", o.context),
            ("max_batch", o.max_batch),
            ("max_logit_rows", o.max_logit_rows),
            ("n_slots", o.n_slots),
            ("n_workers", o.n_workers),
        ] {
            if value == 0 {
                return Err(PlanError::Zero { option });
            }
        }
        if o.context > config.max_seq_len {
            let (context, max_seq_len) = (o.context, config.max_seq_len);
            return Err(PlanError::ContextTooLong { context, max_seq_len });
        }
        if o.max_logit_rows > o.max_batch {
            let (max_logit_rows, max_batch) = (o.max_logit_rows, o.max_batch);
            return Err(PlanError::TooManyLogitRows { max_logit_rows, max_batch });
        }
        let sizes = Sizes::new(config, o).ok_or(PlanError::TooLarge)?;
        let kv_bytes = sizes.kv_bytes(o.kv).ok_or(PlanError::TooLarge)?;
        let total_bytes = sizes.total_bytes(o.kv).ok_or(PlanError::TooLarge)?;
        Ok(Self { options: *o, sizes, kv_bytes, total_bytes })
    }

    /// Bytes of the arena, to the byte.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.total_bytes
    }

    /// Bytes of the KV cache, part of [`bytes`](Self::bytes).
    #[must_use]
    pub fn kv_bytes(&self) -> usize {
        self.kv_bytes
    }

    /// What was planned for.
    #[must_use]
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    pub(crate) fn sizes(&self) -> &Sizes {
        &self.sizes
    }
}

impl Sizes {
    fn new(config: &Config, o: &PlanOptions) -> Option<Self> {
        let mul = |factors: &[u64]| -> Option<usize> {
            let product = factors.iter().try_fold(1u64, |p, &f| p.checked_mul(f))?;
            usize::try_from(product).ok()
        };
        let (dim, hidden) = (u64::from(config.dim), u64::from(config.hidden_dim));
        let (q_dim, kv_dim) = (u64::from(config.q_dim()), u64::from(config.kv_dim()));
        let (m, context) = (u64::from(o.max_batch), u64::from(o.context));
        let (workers, logit_rows) = (u64::from(o.n_workers), u64::from(o.max_logit_rows));
        let vocab = u64::from(config.vocab_size);
        let group_size = u64::from(config.group_size());
        let head_dim = u64::from(config.head_dim);
        let has_relu2 = config.hidden_act == HiddenAct::Relu2;
        let has_head = config.pooling.is_none();
        let head_dim_blocks = dim.next_multiple_of(i8_split::BLOCK as u64);
        // Queries, keys and values are the most layers that read one vector.
        let (planes, normed) = match config.linear_norm_eps {
            Some(_) => (3, dim.max(q_dim)),
            None => (1, 0),
        };
        let padded = |k: u64| usize::try_from(k).map(|k| i2::k_padded(k) as u64).ok();
        let kv_rows =
            [u64::from(o.n_slots), u64::from(config.n_layers), u64::from(config.n_kv_heads), context];
        let (head_dim_padded, kv_scales) = match o.kv {
            KvType::F16 | KvType::F32 => (head_dim.next_multiple_of(HEAD_ALIGN), 0),
            KvType::I8 => (padded(head_dim)?, mul(&kv_rows)?),
        };
        let longest_inputs = (planes * padded(dim)?).max(padded(q_dim)?).max(padded(hidden)?);
        let line = o.max_prompt_bytes as usize;
        let text = if line == 0 { 0 } else { line.checked_add(TEMPLATE_TEXT_BYTES)? };
        Some(Self {
            kv: mul(&kv_rows)?.checked_mul(usize::try_from(head_dim_padded).ok()?)?,
            kv_scales,
            head_dim_padded: usize::try_from(head_dim_padded).ok()?,
            x: mul(&[m, dim])?,
            xb: mul(&[m, dim.max(q_dim)])?,
            qkv: mul(&[m, q_dim + 2 * kv_dim])?,
            gate_up: mul(&[m, 2 * hidden])?,
            xq: mul(&[m, longest_inputs])?,
            x_scale: mul(&[m, planes])?,
            normed: mul(&[m, normed])?,
            rope: mul(&[m, head_dim / 2])?,
            acc: mul(&[workers, acc_per_worker(config, o.max_batch)])?,
            scores: mul(&[workers, group_size, context.next_multiple_of(SCORES_ALIGN)])?,
            head_x: if has_head { mul(&[logit_rows, head_dim_blocks])? } else { 0 },
            head_scale: if has_head { mul(&[logit_rows])? } else { 0 },
            head_middles: if has_head && o.max_top_k > 0 { mul(&[logit_rows, vocab])? } else { 0 },
            head_best: if has_head { mul(&[workers, logit_rows, o.max_top_k.into()])? } else { 0 },
            output: mul(&[logit_rows, u64::from(config.output_dim())])?,
            candidates: if has_head { mul(&[vocab])? } else { 0 },
            live: if has_relu2 { mul(&[hidden])? } else { 0 },
            skip_counts: if has_relu2 { mul(&[u64::from(config.n_layers), N_COUNTS as u64])? } else { 0 },
            n_slots: o.n_slots as usize,
            cached_ids: mul(&[u64::from(o.n_slots), context])?,
            history: o.context as usize,
            line,
            text,
            bpe: Tokenizer::scratch_len(text),
        })
    }

    fn kv_bytes(&self, kv: KvType) -> Option<usize> {
        let elements = align_up(self.kv.checked_mul(usize::try_from(kv.size_bytes()).ok()?)?)?;
        let scales = align_up(self.kv_scales.checked_mul(4)?)?;
        elements.checked_add(scales)?.checked_mul(2)
    }

    /// Sum of all buffers, each rounded up as the arena does.
    fn total_bytes(&self, kv: KvType) -> Option<usize> {
        // (elements, bytes per element, how many such buffers)
        let buffers = [
            (self.x, 4, 1),
            (self.xb, 4, 1),
            (self.qkv, 4, 1),
            (self.gate_up, 4, 1),
            (self.xq, 1, 1),
            (self.x_scale, 4, 1),
            (self.normed, 4, 1),
            (self.rope, 4, 2),
            (self.acc, 4, 1),
            (self.scores, 4, 1),
            (self.head_x, 1, 2),
            (self.head_scale, 4, 1),
            (self.head_scale.checked_mul(2)?, 8, 1),
            (self.head_middles, 8, 1),
            (self.head_best, 8, 1),
            (self.output, 4, 1),
            (self.candidates, 8, 1),
            (self.live, 4, 1),
            (self.skip_counts, 8, 1),
            (self.n_slots, 4, 1),
            (self.cached_ids, 4, 1),
            (self.history, 4, 1),
            (self.line, 1, 1),
            (self.text, 1, 1),
            (self.bpe, 4, 1),
        ];
        buffers.iter().try_fold(self.kv_bytes(kv)?, |total, &(elements, size, count)| {
            let one = align_up(usize::checked_mul(elements, size)?)?;
            total.checked_add(one.checked_mul(count)?)
        })
    }
}

/// int32 sums of one worker, in whole cache lines.
fn acc_per_worker(config: &Config, max_batch: u32) -> u64 {
    let (m, dim) = (u64::from(max_batch), u64::from(config.dim));
    let mut acc = TILE_ROWS as u64 * m;
    if config.hidden_act == HiddenAct::Relu2 {
        // `w_down` may be column-major, in any layout that has columns: all outputs of a few rows, a tile of many.
        acc = acc.max(m.min(MAX_JOINED_ROWS as u64) * dim);
        if m > MAX_JOINED_ROWS as u64 {
            let tiles = [TernaryLayout::I2, TernaryLayout::Tl2, TernaryLayout::T5].map(outputs_per_tile);
            acc = acc.max(m * dim.min(tiles.into_iter().max().unwrap_or(0) as u64));
        }
    }
    acc.next_multiple_of(SUMS_PER_LINE)
}
