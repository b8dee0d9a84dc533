//! The same bits everywhere: one hash for every backend, thread count, split into passes, machine
//!
//! The shipped model stores the hash that its packer computed on x86-64; the suite runs under
//! emulated Arm cores too, so equality here is equality across machines.

use ternlet::pack::HeadForm;
use ternlet::pack::synth::Synth;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{KvType, Model, ModelFile, PlanOptions, Row, Serial, ThreadPool};
use ternlet_tests::{hash_of, open_session, shipped_model, variants, with_synth};

fn options(context: u32, kv: KvType) -> PlanOptions {
    PlanOptions { context, kv, max_prompt_bytes: 0, ..PlanOptions::default() }
}

#[test]
fn the_shipped_model_gives_the_packers_hash_on_every_backend() {
    let file = ModelFile::open(&shipped_model()).unwrap();
    let model = Model::parse(file.bytes()).unwrap();
    for kernels in Kernels::all(CpuFeatures::detect()) {
        let report =
            open_session(&model, kernels, &Serial, &options(64, KvType::F16), |mut s| s.self_test()).unwrap();
        assert!(report.passed(), "{}: {report:x?}", kernels.name());
    }
}

#[test]
fn threads_and_splits_do_not_change_a_bit() {
    let file = ModelFile::open(&shipped_model()).unwrap();
    let model = Model::parse(file.bytes()).unwrap();
    let ids: Vec<u32> = (0..16).map(|i| i * 67 % model.config().vocab_size).collect();
    for (kv, batches) in [(KvType::F16, &[1, 7, 16][..]), (KvType::F32, &[7])] {
        let options = options(16, kv);
        let scalar = Kernels::all(CpuFeatures::none()).next().unwrap();
        let expected = hash_of(&model, scalar, &Serial, &options, &ids, 16);
        for kernels in Kernels::all(CpuFeatures::detect()) {
            for n_threads in [1, 2, 3] {
                let pool = ThreadPool::new(n_threads).unwrap();
                for &batch in batches {
                    let found = hash_of(&model, kernels, &pool, &options, &ids, batch);
                    let name = kernels.name();
                    assert_eq!(found, expected, "{name}, {kv:?}, {n_threads} threads, batches of {batch}");
                }
            }
        }
    }
}

/// Every variation of the block, of every output: queries, keys and values with inputs of their own among them.
#[test]
fn every_variant_gives_one_hash_on_every_backend_thread_count_and_split() {
    for config in variants() {
        let options = options(16, KvType::F16);
        let ids: Vec<u32> = (0..16).map(|i| i * 67 % config.vocab_size).collect();
        with_synth(&Synth::new(config, 5), HeadForm::Source, |model| {
            let scalar = Kernels::all(CpuFeatures::none()).next().unwrap();
            let expected = hash_of(model, scalar, &Serial, &options, &ids, 1);
            for kernels in Kernels::all(CpuFeatures::detect()) {
                for (n_threads, batch) in [(1, 16), (1, 1), (2, 7), (3, 16)] {
                    let pool = ThreadPool::new(n_threads).unwrap();
                    let found = hash_of(model, kernels, &pool, &options, &ids, batch);
                    let (variant, name) = (&model.config().name, kernels.name());
                    assert_eq!(found, expected, "{variant}: {name}, {n_threads} threads, batches of {batch}");
                }
            }
        });
    }
}

/// A variation that the runtime left out would leave the bits of the model without it.
#[test]
fn no_variation_is_without_effect() {
    let variants = variants();
    let mut hashes = Vec::new();
    for config in &variants {
        with_synth(&Synth::new(config.clone(), 5), HeadForm::Source, |model| {
            let kernels = Kernels::best(CpuFeatures::detect());
            hashes.push(hash_of(model, kernels, &Serial, &options(16, KvType::F16), &[3, 1, 4, 1, 5], 5));
        });
    }
    for (i, hash) in hashes.iter().enumerate() {
        let equal = hashes[..i].iter().position(|other| other == hash);
        assert_eq!(equal.map(|j| &variants[j].name), None, "as {}", variants[i].name);
    }
}

#[test]
fn slots_do_not_see_each_other() {
    let file = ModelFile::open(&shipped_model()).unwrap();
    let model = Model::parse(file.bytes()).unwrap();
    let kernels = Kernels::best(CpuFeatures::detect());
    let vocab_size = model.config().vocab_size as usize;
    let row = |slot, pos, token_id| Row { slot, pos, token_id, wants_logits: true };
    let two = PlanOptions { n_slots: 2, max_batch: 4, max_logit_rows: 4, ..options(16, KvType::F16) };
    let (mixed, alone) = open_session(&model, kernels, &Serial, &two, |mut session| {
        let t = session.transformer();
        let mixed = t.forward(&[row(0, 0, 5), row(1, 0, 9), row(0, 1, 6), row(1, 1, 10)]).unwrap().to_vec();
        t.truncate(1, 0);
        let alone = t.forward(&[row(1, 0, 9), row(1, 1, 10)]).unwrap().to_vec();
        (mixed, alone)
    });
    let bits = |logits: &[f32]| logits.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let row = |i: usize| i * vocab_size..(i + 1) * vocab_size;
    assert_eq!(bits(&mixed[row(1)]), bits(&alone[row(0)]));
    assert_eq!(bits(&mixed[row(3)]), bits(&alone[row(1)]));
}
