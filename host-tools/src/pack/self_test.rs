//! The self-test that goes into every file: a few ids and what their logits must hash to

use std::path::Path;
use std::thread::available_parallelism;

use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    ARENA_ALIGN, Config, KvType, MemoryPlan, Model, ModelFile, PlanOptions, Releasing, Session, ThreadPool,
};

use crate::error::Error;

/// Ids in a self-test: enough to pass through every weight at several positions, a moment's work on a board.
const MAX_IDS: u32 = 32;

/// Ids spread over the whole vocabulary.
pub(super) fn ids(config: &Config) -> Vec<u32> {
    let n = MAX_IDS.min(config.max_seq_len).min(config.vocab_size);
    let id = |i: u32| u64::from(i) * u64::from(config.vocab_size) / u64::from(n);
    (0..n).filter_map(|i| u32::try_from(id(i)).ok()).collect()
}

/// Runs the self-test of the model whose payload is in the file at `path`, with `front` before it, and returns the hash
/// it gives here.
pub(super) fn logits_hash(path: &Path, front: &[u8]) -> Result<u64, Error> {
    let file = ModelFile::open_with_front(path, front).map_err(|e| Error::new("self-test", e))?;
    let model = Model::parse(file.bytes()).map_err(|e| Error::new("self-test", e))?;
    let n_ids = model.self_test().map_or(1, |test| u32::try_from(test.ids.len()).unwrap_or(MAX_IDS));
    with_trial(path, front, n_ids, n_ids, n_ids, |session| {
        session.self_test().map(|report| report.found).map_err(|e| {
            Error::new("self-test", e)
                .hint("the weights give no usable numbers: is the checkpoint what its config.json says?")
        })
    })
}

/// Opens a session with an f16 cache on the model whose payload is in the file at `path`, with `front` before it. Weights
/// leave memory as soon as they are used: a packer may not need the room that a session has.
pub(super) fn with_trial<R>(
    path: &Path,
    front: &[u8],
    context: u32,
    max_batch: u32,
    max_logit_rows: u32,
    body: impl FnOnce(&mut Session<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::new("self-test", e);
    let file = ModelFile::open_with_front(path, front).map_err(|e| failed(&e))?;
    let model = Model::parse(file.bytes()).map_err(|e| failed(&e))?;
    let n_workers = available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    let kv = KvType::F16;
    let (max_top_k, n_slots, max_prompt_bytes) = (0, 1, 0);
    let options = PlanOptions {
        context,
        max_batch,
        max_logit_rows,
        max_top_k,
        n_slots,
        n_workers,
        kv,
        max_prompt_bytes,
    };
    let plan = MemoryPlan::new(model.config(), &options).map_err(|e| failed(&e))?;
    let mut memory = vec![0; plan.bytes() + ARENA_ALIGN];
    let offset = memory.as_ptr().align_offset(ARENA_ALIGN);
    let arena = &mut memory[offset..offset + plan.bytes()];
    let pool = ThreadPool::new(n_workers as usize).map_err(|e| failed(&e))?;
    let pool = Releasing::new(&pool, &file, front.len());
    let kernels = Kernels::best(CpuFeatures::detect());
    let mut session = Session::new(model, kernels, &pool, &plan, arena).map_err(|e| failed(&e))?;
    body(&mut session)
}
