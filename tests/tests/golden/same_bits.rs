//! One logits hash, pinned: this machine computes the bits of every other
//!
//! The constant was computed on x86-64. The suite runs under emulated Arm cores too, so a difference
//! between two machines shows here and not between two files of results.

use ternlet::pack::HeadForm;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{HiddenAct, KvType, Serial, ThreadPool};
use ternlet_tests::{hash_of, layout_mixes};

use crate::case::{MULTIPLYING, options};

/// Hash of the logits of all positions of the case's prompt, f16 cache, bf16 head.
const HASH: u64 = 0x1bdf_f354_14c9_898b;

#[test]
fn the_hash_is_one_value_on_every_backend_thread_count_and_split() {
    MULTIPLYING.with_model(HeadForm::Source, |model| {
        let ids = MULTIPLYING.input_ids();
        let options = options(ids.len(), KvType::F16);
        for kernels in Kernels::all(CpuFeatures::detect()) {
            // Every split on one thread, and other thread counts with splits of their own.
            for (n_threads, batches) in
                [(1, &[1, 7, options.context][..]), (2, &[options.context]), (3, &[7])]
            {
                let pool = ThreadPool::new(n_threads).expect("threads start");
                for &batch in batches {
                    let found = hash_of(model, kernels, &pool, &options, &ids, batch);
                    let name = kernels.name();
                    assert_eq!(
                        found, HASH,
                        "{name}, {n_threads} threads, {batch} rows a pass: {found:016x}, expected {HASH:016x}"
                    );
                }
            }
        }
    });
}

#[test]
fn the_hash_is_one_value_in_every_mix_of_layouts() {
    let ids = MULTIPLYING.input_ids();
    let options = options(ids.len(), KvType::F16);
    let kernels = Kernels::best(CpuFeatures::detect());
    for (mix, layouts) in layout_mixes(HiddenAct::Relu2) {
        MULTIPLYING.with_model_in(layouts, |model| {
            for batch in [1, options.context] {
                let found = hash_of(model, kernels, &Serial, &options, &ids, batch);
                assert_eq!(found, HASH, "{mix}, {batch} rows a pass: {found:016x}, expected {HASH:016x}");
            }
        });
    }
}
