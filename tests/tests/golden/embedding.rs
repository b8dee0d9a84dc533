//! A checkpoint of the BitNet Embedding kind: the reference's vectors, and one hash of them on every machine
//!
//! The reference is transformers' `Qwen3Model` whose linears quantise as the model's authors document. Its prompts keep
//! every activation at least 1e-4 away from a tie between two int8 values, so all f32 implementations quantise alike.

use ternlet::pack::HeadForm;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{KvType, Serial, ThreadPool};
use ternlet_tests::{hash_of, open_session};

use crate::case::{EMBEDDING, ids, options};
use crate::error::max_abs;

/// Largest error of an element, where 6e-8 was found. The mildest wrong variant that was measured, the eps of the norms in
/// the linears off by ten, errs by 1.3e-3.
const STRICT: f64 = 1e-6;
/// Hash of the embeddings at all positions of the last prompt, f16 cache, computed on x86-64.
const HASH: u64 = 0x15c2_7a94_1357_d859;

#[test]
fn embeddings_are_the_references() {
    EMBEDDING.with_model(HeadForm::Source, |model| {
        let expected = EMBEDDING.json("expected.json");
        for case in expected["cases"].as_array().expect("cases") {
            let ids = ids(&case["ids"]);
            let expected: Vec<f32> = serde_json::from_value(case["embedding"].clone()).expect("numbers");
            let kernels = Kernels::best(CpuFeatures::detect());
            // Batches of five: the longer texts take several passes.
            let options = ternlet_runtime::PlanOptions { max_batch: 5, ..options(ids.len(), KvType::F32) };
            open_session(model, kernels, &Serial, &options, |mut session| {
                let error = max_abs(session.embed(&ids).expect("the text fits"), &expected);
                eprintln!("{:<28} {} tokens {error:.1e}", EMBEDDING.name, ids.len());
                assert!(error <= STRICT, "{ids:?}: elements differ by {error:e}, at most {STRICT:e} may");
            });
        }
    });
}

#[test]
fn the_hash_of_the_embeddings_is_one_value_on_every_backend_thread_count_and_split() {
    EMBEDDING.with_model(HeadForm::Source, |model| {
        let expected = EMBEDDING.json("expected.json");
        let ids = ids(&expected["cases"].as_array().and_then(|cases| cases.last()).expect("cases")["ids"]);
        let options = options(ids.len(), KvType::F16);
        for kernels in Kernels::all(CpuFeatures::detect()) {
            for (n_threads, batch) in [(1, 1), (1, 7), (1, options.context), (2, options.context), (3, 7)] {
                let pool = ThreadPool::new(n_threads).expect("threads start");
                let found = hash_of(model, kernels, &pool, &options, &ids, batch);
                let name = kernels.name();
                assert_eq!(
                    found, HASH,
                    "{name}, {n_threads} threads, {batch} rows a pass: {found:016x}, expected {HASH:016x}"
                );
            }
        }
    });
}
