//! The same bits everywhere: one hash for every backend, thread count, split into passes, machine
//!
//! The shipped model stores the hash that its packer computed on x86-64; the suite runs under
//! emulated Arm cores too, so equality here is equality across machines.

use ternlet::pack::HeadForm;
use ternlet::pack::synth::Synth;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    HiddenAct, KvType, Model, ModelFile, PlanOptions, Row, Serial, Session, SkipCounts, SkipLimits,
    ThreadPool,
};
use ternlet_tests::{
    hash_of, hash_with, layout_mixes, open_session, shipped_model, variants, with_synth, with_synth_in,
};

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
    for (kv, batches) in [(KvType::F16, &[1, 7, 16][..]), (KvType::F32, &[7]), (KvType::I8, &[1, 7])] {
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
    for (i, config) in variants().into_iter().enumerate() {
        // Both kinds of caches for every variation would take twice as long and tell nothing more.
        let options = options(16, [KvType::F16, KvType::I8][i % 2]);
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

/// Shapes that fill no block and no tile, with squared `ReLU` and with `SiLU`, with and without each kind of norm; whole
/// matrices are read, or everything that is live one by one.
#[test]
fn every_mix_of_layouts_gives_one_hash_skipping_or_not() {
    let skips = [None, Some(SkipLimits { rows_percent: 100, columns_percent: 100 })];
    for name in ["own-head-sub-qk", "tied-sub-linear", "own-head-linear", "pooled"] {
        let mut config = variants().into_iter().find(|config| config.name == name).expect("a variant");
        if config.pooling.is_some() {
            // Without sub-norms, too, the squared ReLU's zeros reach `w_down`.
            config.hidden_act = HiddenAct::Relu2;
        }
        let options = options(12, KvType::F16);
        let ids: Vec<u32> = (0..12).map(|i| i * 67 % config.vocab_size).collect();
        let source = Synth::new(config.clone(), 6);
        let scalar = Kernels::all(CpuFeatures::none()).next().unwrap();
        let expected =
            with_synth(&source, HeadForm::Source, |model| hash_of(model, scalar, &Serial, &options, &ids, 1));
        for (mix, layouts) in layout_mixes(config.hidden_act) {
            with_synth_in(&source, HeadForm::Source, layouts, |model| {
                for kernels in Kernels::all(CpuFeatures::detect()) {
                    for ((n_threads, batch), skip) in
                        [((1, 1), skips[1]), ((2, 3), skips[1]), ((3, 12), skips[0]), ((1, 2), skips[0])]
                    {
                        let pool = ThreadPool::new(n_threads).unwrap();
                        let set = |session: &mut Session<'_>| session.transformer().set_skip(skip);
                        let found = hash_with(model, kernels, &pool, &options, &ids, batch, set);
                        let kernels = kernels.name();
                        assert_eq!(
                            found, expected,
                            "{name} as {mix}: {kernels}, {n_threads} threads, batches of {batch}, {skip:?}"
                        );
                    }
                }
            });
        }
    }
}

/// Every row is dead but those of one gate, every column but one; and none, and all.
#[test]
fn the_skip_counts_what_it_finds_and_reads() {
    let config = variants().into_iter().find(|config| config.name == "own-head-sub").expect("a variant");
    let (hidden, dim) = (config.hidden_dim as usize, config.dim as usize);
    let options = options(12, KvType::F16);
    let source = Synth::new(config, 6);
    let counts_of = |model: &Model<'_>, skip| {
        open_session(model, Kernels::best(CpuFeatures::detect()), &Serial, &options, |mut session| {
            session.transformer().set_skip(skip);
            session.prefill(&[3], |_| true).expect("a pass");
            session.append(5).expect("a pass");
            session.transformer().skip_counts(1)
        })
    };
    with_synth(&source, HeadForm::Source, |model| {
        assert_eq!(counts_of(model, None), SkipCounts::default());
        let all = counts_of(model, Some(SkipLimits { rows_percent: 100, columns_percent: 100 }));
        let none = counts_of(model, Some(SkipLimits { rows_percent: 0, columns_percent: 0 }));
        assert_eq!((all.passes, all.zero_gates, all.zero_inputs), (2, none.zero_gates, none.zero_inputs));
        // Random gates: about half are above zero, and where one is not its input of w_down is zero.
        let n = 2 * hidden as u64;
        assert!((n / 4..3 * n / 4).contains(&all.zero_gates), "{all:?}");
        assert!((all.zero_gates..n).contains(&all.zero_inputs), "{all:?}");
        let layer = model.layer(1);
        assert_eq!(none.up_bytes, 2 * layer.w_up.weight.bytes.len() as u64);
        assert_eq!(none.down_bytes, 2 * layer.w_down.weight.bytes.len() as u64);
        // Whole lines: a run may take its neighbours' bytes with it, and never more than its own lines.
        let runs = |zeros: u64, run_bytes: usize| (n - zeros) * run_bytes as u64;
        let row_bytes = layer.w_up.weight.layout.row_bytes(dim);
        assert!((runs(all.zero_gates, row_bytes)..none.up_bytes).contains(&all.up_bytes), "{all:?}");
        let column_bytes = layer.w_down.weight.layout.row_bytes(dim);
        assert!((runs(all.zero_inputs, column_bytes)..none.down_bytes).contains(&all.down_bytes), "{all:?}");
    });
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
