//! The split head finds exactly the largest logits of the whole head
//!
//! Tables and final norms are made for the purpose: equal logits, rows that differ by one step, inputs that are all zero,
//! one-hot or saturated. Every logit of the largest k, and all that equal the last of them, must have the bits that the
//! whole head gives; every other may be left out and must lie strictly below.

#[path = "split_head/crafted.rs"]
mod crafted;
#[path = "split_head/shipped.rs"]
mod shipped;

use crafted::{Crafted, Norm, TABLES, patched};
use ternlet::pack::{HeadForm, Layouts};
use ternlet_kernels::layout::TernaryLayout;
use ternlet_kernels::{Backend, CpuFeatures, Kernels};
use ternlet_runtime::format::Role;
use ternlet_runtime::{
    ForwardError, HeadWork, KvType, Model, ModelFile, OutputHash, Parallel, PlanOptions, Row, Sampler,
    SamplerOptions, Serial, ThreadPool,
};
use ternlet_tests::{open_session, packed_synth};

/// Candidates that are asked for: one, few, a sampler's usual number.
const K: [u32; 6] = [1, 2, 3, 7, 16, 40];

fn packed(source: &Crafted, head: HeadForm) -> ModelFile {
    packed_synth(source, head, Layouts::all(TernaryLayout::I2))
}

fn options(max_logit_rows: u32) -> PlanOptions {
    PlanOptions {
        context: 16,
        max_batch: max_logit_rows,
        max_logit_rows,
        max_top_k: 40,
        n_slots: 2,
        kv: KvType::F32,
        max_prompt_bytes: 0,
        ..PlanOptions::default()
    }
}

/// The logits of `rows`, all or the largest `top_k`, and what the head read.
fn logits(
    model: &Model<'_>,
    kernels: &'static Kernels,
    parallel: &dyn Parallel,
    rows: &[Row],
    top_k: Option<u32>,
) -> (Result<Vec<f32>, ForwardError>, HeadWork) {
    let n_workers = u32::try_from(parallel.n_workers()).expect("few");
    let options = PlanOptions { n_workers, ..options(4) };
    open_session(model, kernels, parallel, &options, |mut session| {
        let transformer = session.transformer();
        let logits = transformer.forward_top(rows, top_k).map(<[f32]>::to_vec);
        (logits, transformer.head_work())
    })
}

fn row(slot: u32, pos: u32, token_id: u32) -> Row {
    Row { slot, pos, token_id, wants_logits: true }
}

/// Holds the largest `k` against all logits of one row.
fn check(found: &[f32], all: &[f32], k: u32, what: &str) {
    let mut sorted = all.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let kth_best = sorted[k as usize - 1];
    for (id, (found, expected)) in found.iter().zip(all).enumerate() {
        if found.to_bits() != expected.to_bits() {
            assert_eq!(*found, f32::NEG_INFINITY, "{what}: logit {id}, which is {expected}");
            assert!(*expected < kth_best, "{what}: logit {id} left out, {expected}, the {k}th is {kth_best}");
        }
    }
}

#[test]
fn the_largest_are_exact_for_every_table_and_input() {
    for table in TABLES {
        for norm in Norm::ALL {
            let file = packed(&Crafted::new(table, norm), HeadForm::Int8);
            let model = Model::parse(file.bytes()).expect("a model");
            let rows = [row(0, 0, 5)];
            let (all, whole) = logits(&model, Kernels::best(CpuFeatures::detect()), &Serial, &rows, None);
            assert_eq!(whole.n_completed, whole.n_rows);
            let all = all.expect("finite");
            for k in K {
                let mut seen = None;
                for kernels in Kernels::all(CpuFeatures::detect()) {
                    let (found, work) = logits(&model, kernels, &Serial, &rows, Some(k));
                    let found = found.expect("finite");
                    let what = format!("{table:?} {norm:?} k {k} {}", kernels.name());
                    check(&found, &all, k, &what);
                    // What is left out is the same on every backend.
                    let bits: Vec<u32> = found.iter().map(|logit| logit.to_bits()).collect();
                    assert_eq!(*seen.get_or_insert((bits.clone(), work)), (bits, work), "{what}");
                }
            }
        }
    }
}

#[test]
fn threads_slots_and_rows_of_a_pass_change_nothing() {
    let file = packed(&Crafted::new(TABLES[0], Norm::Ones), HeadForm::Int8);
    let model = Model::parse(file.bytes()).expect("a model");
    let kernels = Kernels::best(CpuFeatures::detect());
    let rows = [row(0, 0, 5), row(1, 0, 9), row(0, 1, 6), row(1, 1, 10)];
    let vocab_size = model.config().vocab_size as usize;
    let (all, _) = logits(&model, kernels, &Serial, &rows, None);
    let all = all.expect("finite");
    for k in K {
        let (together, work) = logits(&model, kernels, &Serial, &rows, Some(k));
        let together = together.expect("finite");
        for (t, (found, all)) in
            together.chunks_exact(vocab_size).zip(all.chunks_exact(vocab_size)).enumerate()
        {
            check(found, all, k, &format!("row {t} k {k}"));
        }
        for n_threads in [2, 3, 5] {
            let pool = ThreadPool::new(n_threads).expect("threads");
            let (found, by_threads) = logits(&model, kernels, &pool, &rows, Some(k));
            assert_eq!(
                (found.expect("finite"), by_threads),
                (together.clone(), work),
                "{n_threads} threads, k {k}"
            );
        }
        // One by one: the same rows.
        open_session(&model, kernels, &Serial, &options(4), |mut session| {
            let mut alone: Vec<f32> = Vec::new();
            for row in rows {
                alone.extend_from_slice(session.transformer().forward_top(&[row], Some(k)).expect("finite"));
            }
            assert_eq!(alone, together, "k {k}");
            assert_eq!(session.head_work(), work, "k {k}");
        });
    }
}

#[test]
fn a_table_in_one_plane_gives_the_same_logits() {
    for table in TABLES {
        let rows = [row(0, 0, 5), row(0, 1, 6)];
        let kernels = Kernels::best(CpuFeatures::detect());
        let of = |head| {
            let file = packed(&Crafted::new(table, Norm::Ones), head);
            let model = Model::parse(file.bytes()).expect("a model");
            assert_eq!(model.has_split_head(), head == HeadForm::Int8);
            // Candidates are asked for, and the head in one plane gives all.
            let top_k = (head == HeadForm::Int8Whole).then_some(1);
            let stored = model.self_test().expect("packed with one").logits_hash;
            (logits(&model, kernels, &Serial, &rows, top_k).0.expect("finite"), stored)
        };
        assert_eq!(of(HeadForm::Int8Whole), of(HeadForm::Int8), "{table:?}");
    }
}

#[test]
fn damaged_scales_and_bounds_give_an_error_or_the_same_logits() {
    let file = packed(&Crafted::new(TABLES[0], Norm::Ones), HeadForm::Int8);
    let rows = [row(0, 0, 5)];
    for scale in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -f32::MAX, -1.0, 0.0, -0.0, 1e-40] {
        patched(&file, Role::LmHeadScale, 77, scale, |model| {
            for kernels in Kernels::all(CpuFeatures::detect()) {
                let (all, _) = logits(model, kernels, &Serial, &rows, None);
                for k in K {
                    let (found, _) = logits(model, kernels, &Serial, &rows, Some(k));
                    match (&found, &all) {
                        (Ok(found), Ok(all)) => check(found, all, k, &format!("scale {scale}")),
                        _ => assert_eq!(found, all, "scale {scale}"),
                    }
                }
            }
        });
    }
    // A bound that is too large, or no number, costs reading at most, or is taken for what it can be.
    for bound in [f32::INFINITY, 1e30, 1792.0] {
        patched(&file, Role::LmHeadBound, 77, bound, |model| {
            let kernels = Kernels::best(CpuFeatures::detect());
            let (all, _) = logits(model, kernels, &Serial, &rows, None);
            let (found, _) = logits(model, kernels, &Serial, &rows, Some(3));
            check(&found.expect("finite"), &all.expect("finite"), 3, "bound");
        });
    }
    for bound in [f32::NAN, -1.0, f32::NEG_INFINITY] {
        patched(&file, Role::LmHeadBound, 77, bound, |model| {
            let (found, _) = logits(model, Kernels::best(CpuFeatures::detect()), &Serial, &rows, Some(3));
            assert!(found.is_ok(), "bound {bound}");
        });
    }
}

#[test]
fn candidates_beyond_the_plan_or_the_vocabulary_mean_all_logits() {
    let file = packed(&Crafted::new(TABLES[0], Norm::Ones), HeadForm::Int8);
    let model = Model::parse(file.bytes()).expect("a model");
    let scalar = Kernels::for_backend(Backend::Scalar, CpuFeatures::none()).expect("always there");
    let rows = [row(0, 0, 5)];
    let (all, whole) = logits(&model, scalar, &Serial, &rows, None);
    for top_k in [0, 41, model.config().vocab_size, u32::MAX] {
        assert_eq!(logits(&model, scalar, &Serial, &rows, Some(top_k)), (all.clone(), whole), "{top_k}");
    }
    let (_, few) = logits(&model, scalar, &Serial, &rows, Some(1));
    assert_eq!(few.n_rows, whole.n_rows);
    assert!(few.n_completed < whole.n_completed / 2, "{few:?} of a table with a clear winner");
}

#[test]
fn samplers_choose_what_they_choose_from_all_logits() {
    let file = packed(&Crafted::new(TABLES[0], Norm::Ones), HeadForm::Int8);
    let model = Model::parse(file.bytes()).expect("a model");
    let kernels = Kernels::best(CpuFeatures::detect());
    let warm = SamplerOptions { temperature: 1.5, top_k: 40, top_p: 1.0, seed: 3 };
    let samplers = [
        SamplerOptions::GREEDY,
        warm,
        SamplerOptions { top_p: 0.6, ..warm },
        SamplerOptions { top_k: 0, ..warm },
    ];
    for sampler in samplers {
        let sampler = Sampler::new(sampler).expect("in range");
        let run = |max_top_k| {
            let options = PlanOptions { max_top_k, ..options(1) };
            open_session(&model, kernels, &Serial, &options, |mut session| {
                session.prepare_for(&sampler);
                session.prefill(&[1, 2, 3], |_| true).expect("fits");
                let mut hash = OutputHash::new();
                for _ in 0..12 {
                    let id = session.sample(&sampler, &mut hash);
                    session.append(id).expect("fits");
                }
                (hash.ids_hash(), hash.logits_hash())
            })
        };
        let ((split_ids, split_logits), (ids, logits)) = (run(40), run(0));
        assert_eq!(split_ids, ids, "{:?}", sampler.options());
        assert!(logits.is_some());
        assert_eq!(split_logits.is_some(), sampler.n_candidates().is_none(), "{:?}", sampler.options());
    }
}

#[test]
#[should_panic(expected = "prepared for a sampler that needs fewer logits")]
fn a_sampler_that_needs_more_than_was_prepared_for_is_a_bug_in_the_caller() {
    let file = packed(&Crafted::new(TABLES[0], Norm::Ones), HeadForm::Int8);
    let model = Model::parse(file.bytes()).expect("a model");
    open_session(&model, Kernels::best(CpuFeatures::detect()), &Serial, &options(1), |mut session| {
        session.prepare_for(&Sampler::new(SamplerOptions::GREEDY).expect("in range"));
        session.prefill(&[1], |_| true).expect("fits");
        let warm = SamplerOptions { temperature: 1.0, top_k: 2, top_p: 1.0, seed: 0 };
        session.sample(&Sampler::new(warm).expect("in range"), &mut OutputHash::new());
    });
}
