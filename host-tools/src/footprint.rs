//! What a packed model takes: bytes on disk, and of memory while it runs
//!
//! Computed from a shape alone, by the same arithmetic that lays files out and carves arenas.

use ternlet_runtime::format::{Layout, Role, Schedule, TensorKind};
use ternlet_runtime::{Config, KvType, MAX_TOP_K, MemoryPlan, PlanOptions};

use crate::error::Error;
use crate::pack::{HeadForm, file_bytes};

/// Context of memory figures, where the model allows it.
pub const USUAL_CONTEXT: u32 = 2048;

/// One conversation on four workers, prompts in batches of 128, a KV cache of f16, of a split head up to `max_top_k`
/// candidates: what memory figures are for.
#[must_use]
pub fn usual_session(config: &Config, context: Option<u32>, max_top_k: u32) -> PlanOptions {
    let context = context.unwrap_or_else(|| USUAL_CONTEXT.min(config.max_seq_len));
    PlanOptions {
        context,
        max_batch: 128.min(context),
        max_logit_rows: 1,
        max_top_k,
        n_slots: 1,
        n_workers: 4,
        kv: KvType::F16,
        max_prompt_bytes: 8192,
    }
}

/// Bytes of a packed model. Its tokenizer and chat template, a few megabytes at most, are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Of the file.
    pub file_bytes: u64,
    /// Of the file and a usual session.
    pub memory_bytes: u64,
}

impl Footprint {
    /// For a model of `config` whose embedding and head come in the layout `stored`.
    ///
    /// # Errors
    /// A shape beyond this machine's address space.
    pub fn new(config: &Config, stored: Layout, head: HeadForm) -> Result<Self, Error> {
        let max_top_k = if head == HeadForm::Int8 && config.pooling.is_none() { MAX_TOP_K } else { 0 };
        let options = usual_session(config, None, max_top_k);
        let plan = MemoryPlan::new(config, &options).map_err(|e| Error::new(&config.name, e))?;
        let file_bytes = file_bytes(config, stored, head)?;
        Ok(Self { file_bytes, memory_bytes: file_bytes + plan.bytes() as u64 })
    }
}

/// Weights of a model of `config`: all of them, and the ternary ones.
#[must_use]
pub fn parameters(config: &Config) -> (u64, u64) {
    let (mut all, mut ternary) = (0, 0);
    // Frequencies follow from the config: they are stored, and no parameters.
    for tensor in Schedule::of_floats(config).iter().filter(|tensor| tensor.role != Role::RopeInvFreq) {
        let n = tensor.n * tensor.k;
        all += n;
        if tensor.kind == TensorKind::Ternary {
            ternary += n;
        }
    }
    (all, ternary)
}
