//! Memory known to the byte before start, and nothing allocated after the session opened
#![expect(clippy::std_instead_of_core, reason = "tests run on hosts and use std throughout")]
#![expect(unsafe_code, reason = "labelled room: a global allocator that can be armed is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ternlet::pack::HeadForm;
use ternlet::pack::synth::Synth;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    ArenaError, KvType, LOOKUP_ROWS, MemoryPlan, Model, ModelFile, OutputHash, PlanError, PlanOptions,
    Sampler, SamplerOptions, Serial, Session, SessionError,
};
use ternlet_tests::{aligned_arena, open_session, shipped_model, variants, with_synth};

/// The system's allocator, which panics while the current thread has armed it.
struct Armed;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

fn refuse_when_armed() {
    // Disarmed first: reporting the panic allocates.
    assert!(!ARMED.replace(false), "the heap was used after the session opened");
}

// SAFETY: every call is passed on unchanged to the system's allocator, or panics before it.
unsafe impl GlobalAlloc for Armed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        refuse_when_armed();
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        refuse_when_armed();
        // SAFETY: the caller's obligations are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Armed = Armed;

fn with_model(body: impl FnOnce(&Model<'_>)) {
    let file = ModelFile::open(&shipped_model()).expect("the shipped model is there");
    body(&Model::parse(file.bytes()).expect("the shipped model is valid"));
}

fn configurations() -> [PlanOptions; 6] {
    let base = PlanOptions::default();
    [
        base,
        PlanOptions { context: 1, max_batch: 1, max_prompt_bytes: 0, ..base },
        PlanOptions { kv: KvType::F32, context: 100, max_batch: 7, max_logit_rows: 7, ..base },
        PlanOptions { n_slots: 3, context: 33, max_batch: 5, max_prompt_bytes: 100, ..base },
        PlanOptions { kv: KvType::I8, n_slots: 2, context: 33, max_batch: 5, ..base },
        PlanOptions { context: 512, max_batch: 64, max_logit_rows: 2, max_prompt_bytes: 65_536, ..base },
    ]
}

#[test]
fn the_plan_is_the_high_water_mark_to_the_byte() {
    with_model(|model| configurations().iter().for_each(|options| check_high_water(model, options)));
}

#[test]
fn the_plan_is_the_high_water_mark_of_every_variant() {
    for config in variants() {
        with_synth(&Synth::new(config, 1), HeadForm::Source, |model| {
            for mut options in configurations() {
                options.context = options.context.min(model.config().max_seq_len);
                check_high_water(model, &options);
            }
        });
    }
}

/// A session uses what the plan says, and one byte less is refused.
fn check_high_water(model: &Model<'_>, options: &PlanOptions) {
    let plan = MemoryPlan::new(model.config(), options).expect("the options suit the model");
    let mut memory = Vec::new();
    let kernels = Kernels::best(CpuFeatures::detect());
    let arena = aligned_arena(&mut memory, plan.bytes());
    let session = Session::new(model.clone(), kernels, &Serial, &plan, arena).expect("the arena fits");
    assert_eq!(session.used_bytes(), plan.bytes(), "{}: {options:?}", model.config().name);
    drop(session);
    let need = plan.bytes();
    let arena = aligned_arena(&mut memory, need - 1);
    assert_eq!(
        Session::new(model.clone(), kernels, &Serial, &plan, arena).map(|_| ()),
        Err(SessionError::Arena(ArenaError::Exhausted { need, have: need - 1 })),
        "{}: {options:?}",
        model.config().name
    );
}

#[test]
fn an_open_session_never_touches_the_heap() {
    with_model(|model| {
        let options = PlanOptions { max_logit_rows: LOOKUP_ROWS, ..PlanOptions::default() };
        let plan = MemoryPlan::new(model.config(), &options).unwrap();
        let mut memory = Vec::new();
        let arena = aligned_arena(&mut memory, plan.bytes());
        let kernels = Kernels::best(CpuFeatures::detect());
        let mut session = Session::new(model.clone(), kernels, &Serial, &plan, arena).unwrap();
        let options = SamplerOptions { temperature: 0.8, top_k: 40, top_p: 0.9, seed: 1 };
        let sampler = Sampler::new(options).unwrap();
        let mut hash = OutputHash::new();
        ARMED.set(true);
        session.prefill(&[0, 5, 6, 7, 8], |_| true).unwrap();
        for n_done in 0..40 {
            session.set_lookup(n_done >= 20).unwrap();
            let id = session.sample(&sampler, &mut hash);
            session.append(id).unwrap();
        }
        session.self_test().unwrap();
        ARMED.set(false);
    });
}

#[test]
fn an_embedding_never_touches_the_heap() {
    let config = variants().pop().expect("the one with every norm, pooled");
    with_synth(&Synth::new(config, 1), HeadForm::Source, |model| {
        let options = PlanOptions { context: 8, max_batch: 3, ..PlanOptions::default() };
        let kernels = Kernels::best(CpuFeatures::detect());
        open_session(model, kernels, &Serial, &options, |mut session| {
            ARMED.set(true);
            session.embed(&[0, 5, 6, 7, 8]).unwrap();
            ARMED.set(false);
        });
    });
}

#[test]
#[should_panic(expected = "the heap was used")]
fn the_armed_allocator_does_panic() {
    ARMED.set(true);
    drop(std::hint::black_box(Box::new(1u8)));
}

#[test]
fn options_out_of_range_are_typed_errors() {
    with_model(|model| {
        let plan = |options| MemoryPlan::new(model.config(), &options).unwrap_err();
        let base = PlanOptions::default();
        let max_seq_len = model.config().max_seq_len;
        assert_eq!(plan(PlanOptions { context: 0, ..base }), PlanError::Zero { option: "context" });
        assert_eq!(plan(PlanOptions { max_batch: 0, ..base }), PlanError::Zero { option: "max_batch" });
        assert_eq!(
            plan(PlanOptions { context: max_seq_len + 1, ..base }),
            PlanError::ContextTooLong { context: max_seq_len + 1, max_seq_len }
        );
        assert_eq!(
            plan(PlanOptions { max_logit_rows: 33, ..base }),
            PlanError::TooManyLogitRows { max_logit_rows: 33, max_batch: 32 }
        );
        assert_eq!(
            plan(PlanOptions { n_slots: u32::MAX, n_workers: u32::MAX, max_batch: u32::MAX, ..base }),
            PlanError::TooLarge
        );
    });
}
