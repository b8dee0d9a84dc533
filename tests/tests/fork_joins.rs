//! How often a token gathers its cores: one fork-join per matrix, fewer where matrices read the same vector
#![expect(clippy::std_instead_of_core, reason = "tests run on hosts and use std throughout")]
#![expect(unsafe_code, reason = "labelled room: `Parallel` is an unsafe trait")]

use std::sync::atomic::{AtomicUsize, Ordering};

use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{Body, Model, ModelFile, Parallel, PlanOptions, Row, SkipLimits, ThreadPool};
use ternlet_tests::{open_session, shipped_model};

/// A pool that counts its calls, those aside that have work for one worker only.
struct Counting {
    pool: ThreadPool,
    n_calls: AtomicUsize,
}

// SAFETY: ranges, workers and the time of return are those of the pool.
unsafe impl Parallel for Counting {
    fn n_workers(&self) -> usize {
        self.pool.n_workers()
    }

    fn run(&self, n: usize, grain: usize, body: &Body<'_>) {
        if n > grain {
            self.n_calls.fetch_add(1, Ordering::Relaxed);
        }
        self.pool.run(n, grain, body);
    }
}

/// Fork-joins of one token that wants logits, behind `pos` others.
fn of_a_token(model: &Model<'_>, pos: u32, skip: Option<SkipLimits>) -> usize {
    let counting = Counting { pool: ThreadPool::new(2).expect("two threads"), n_calls: AtomicUsize::new(0) };
    let options =
        PlanOptions { context: pos + 1, n_workers: 2, max_prompt_bytes: 0, ..PlanOptions::default() };
    let kernels = Kernels::best(CpuFeatures::detect());
    open_session(model, kernels, &counting, &options, |mut session| {
        let transformer = session.transformer();
        transformer.set_skip(skip);
        for pos in 0..pos {
            transformer
                .forward(&[Row { slot: 0, pos, token_id: 5, wants_logits: false }])
                .expect("a pass over one row");
        }
        counting.n_calls.store(0, Ordering::Relaxed);
        transformer
            .forward(&[Row { slot: 0, pos, token_id: 7, wants_logits: true }])
            .expect("a pass over one row");
        counting.n_calls.load(Ordering::Relaxed)
    })
}

#[test]
fn a_token_forks_once_per_group_of_matrices() {
    let file = ModelFile::open(&shipped_model()).unwrap();
    let model = Model::parse(file.bytes()).unwrap();
    let n_layers = model.config().n_layers as usize;
    // The head of a greedy token may go in two steps.
    let head = 1..=2;
    // Queries, keys and values; attention; its output; gate and up; down.
    let dense = of_a_token(&model, 3, None);
    assert!(head.contains(&(dense - 5 * n_layers)), "{dense} fork-joins of {n_layers} layers");
    // With the skip the gate goes ahead of up.
    let skip = SkipLimits { rows_percent: 100, columns_percent: 100 };
    let skipping = of_a_token(&model, 3, Some(skip));
    assert!(head.contains(&(skipping - 6 * n_layers)), "{skipping} fork-joins of {n_layers} layers");
}
