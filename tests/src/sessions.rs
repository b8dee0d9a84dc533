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

/// The logits of all positions of `ids`, `[tokens, vocab_size]`, or of an embedding model the embeddings,
/// `[tokens, dim]`, run `batch` rows at a time in slot 0.
///
/// # Panics
/// If a pass fails.
#[must_use]
pub fn logits_of(
    model: &Model<'_>,
    kernels: &'static Kernels,
    parallel: &dyn Parallel,
    options: &PlanOptions,
    ids: &[u32],
    batch: u32,
) -> Vec<f32> {
    outputs_with(model, kernels, parallel, options, ids, batch, |_| ())
}

/// What [`logits_of`] gives of a session that `set_up` has changed.
fn outputs_with(
    model: &Model<'_>,
    kernels: &'static Kernels,
    parallel: &dyn Parallel,
    options: &PlanOptions,
    ids: &[u32],
    batch: u32,
    set_up: impl FnOnce(&mut Session<'_>),
) -> Vec<f32> {
    let n_workers = u32::try_from(parallel.n_workers()).expect("few workers");
    let options = PlanOptions { max_batch: batch, max_logit_rows: batch, n_workers, ..*options };
    open_session(model, kernels, parallel, &options, |mut session| {
        set_up(&mut session);
        let mut all = Vec::new();
        let mut pos = 0;
        for ids in ids.chunks(batch as usize) {
            let rows: Vec<Row> = (pos..)
                .zip(ids)
                .map(|(pos, &token_id)| Row { slot: 0, pos, token_id, wants_logits: true })
                .collect();
            let outputs = match model.config().pooling {
                None => session.transformer().forward(&rows),
                Some(_) => session.transformer().embeddings(&rows),
            };
            all.extend_from_slice(outputs.expect("the pass succeeds"));
            pos += u32::try_from(rows.len()).expect("at most a batch");
        }
        all
    })
}

/// The hash of what [`logits_of`] gives.
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
    hash_with(model, kernels, parallel, options, ids, batch, |_| ())
}

/// What [`hash_of`] gives of a session that `set_up` has changed.
///
/// # Panics
/// If a pass fails.
#[must_use]
pub fn hash_with(
    model: &Model<'_>,
    kernels: &'static Kernels,
    parallel: &dyn Parallel,
    options: &PlanOptions,
    ids: &[u32],
    batch: u32,
    set_up: impl FnOnce(&mut Session<'_>),
) -> u64 {
    let outputs = outputs_with(model, kernels, parallel, options, ids, batch, set_up);
    let mut hash = LogitsHash::new();
    for (pos, output) in (0..).zip(outputs.chunks_exact(model.config().output_dim() as usize)) {
        hash.update(pos, output);
    }
    hash.finish()
}
