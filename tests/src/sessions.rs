//! Sessions in arenas of exactly the planned size

use ternlet_kernels::Kernels;
use ternlet_runtime::{ARENA_ALIGN, LogitsHash, MemoryPlan, Model, Parallel, PlanOptions, Row, Session};

/// The 64-byte aligned part of `memory`, exactly `bytes` long; `memory` is resized to hold it.
pub fn aligned_arena(memory: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    memory.resize(bytes + ARENA_ALIGN, 0);
    let offset = memory.as_ptr().align_offset(ARENA_ALIGN);
    &mut memory[offset..offset + bytes]
}

/// Opens a session of `options` in an arena of exactly the planned size and hands it to `body`.
///
/// # Panics
/// If the plan or the session is refused.
pub fn open_session<R>(
    model: &Model<'_>,
    kernels: &'static Kernels,
    parallel: &dyn Parallel,
    options: &PlanOptions,
    body: impl FnOnce(Session<'_>) -> R,
) -> R {
    let plan = MemoryPlan::new(model.config(), options).expect("the options suit the model");
    let mut memory = Vec::new();
    let arena = aligned_arena(&mut memory, plan.bytes());
    let session = Session::new(model.clone(), kernels, parallel, &plan, arena).expect("the arena fits");
    body(session)
}

/// The logits hash of all positions of `ids`, run `batch` rows at a time.
///
/// # Panics
/// If a pass fails.
#[must_use]
pub fn hash_of(
    model: &Model<'_>,
    kernels: &'static Kernels,
    parallel: &dyn Parallel,
    options: &PlanOptions,
    ids: &[u32],
    batch: u32,
) -> u64 {
    let n_workers = u32::try_from(parallel.n_workers()).expect("few workers");
    let options = PlanOptions { max_batch: batch, max_logit_rows: batch, n_workers, ..*options };
    let vocab_size = model.config().vocab_size as usize;
    open_session(model, kernels, parallel, &options, |mut session| {
        let mut hash = LogitsHash::new();
        let mut pos = 0;
        for ids in ids.chunks(batch as usize) {
            let rows: Vec<Row> = (pos..)
                .zip(ids)
                .map(|(pos, &token_id)| Row { slot: 0, pos, token_id, wants_logits: true })
                .collect();
            let logits = session.transformer().forward(&rows).expect("the pass succeeds");
            for logits in logits.chunks_exact(vocab_size) {
                hash.update(pos, logits);
                pos += 1;
            }
        }
        hash.finish()
    })
}
