//! Embeddings of a session: what they are made of, and every way in which there is none

use ternlet::pack::synth::Synth;
use ternlet::pack::{HeadForm, Layouts};
use ternlet_kernels::layout::TernaryLayout;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::format::Role;
use ternlet_runtime::{
    Config, Console, ConsoleError, ConsoleOptions, ForwardError, LogitsHash, Model, OutputHash, PlanOptions,
    Row, Sampler, SamplerOptions, Serial, Session,
};
use ternlet_tests::{aligned_arena, open_session, packed_synth, variants, with_synth};

const IDS: [u32; 7] = [3, 1, 4, 1, 5, 9, 2];

/// The variant called `name`.
fn variant(name: &str) -> Config {
    variants().into_iter().find(|config| config.name == name).expect("such a variant")
}

fn with_session<R>(model: &Model<'_>, max_batch: u32, body: impl FnOnce(Session<'_>) -> R) -> R {
    let options = PlanOptions { context: 8, max_batch, max_prompt_bytes: 0, ..PlanOptions::default() };
    open_session(model, Kernels::best(CpuFeatures::detect()), &Serial, &options, body)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn an_embedding_has_length_1_and_the_same_bits_in_every_batch_size() {
    with_synth(&Synth::new(variant("pooled-qk-linear"), 1), HeadForm::Source, |model| {
        let embed = |max_batch| {
            with_session(model, max_batch, |mut session| session.embed(&IDS).expect("fits").to_vec())
        };
        let expected = embed(1);
        let length = expected.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        assert_eq!(expected.len(), model.config().dim as usize);
        assert!((length - 1.0).abs() < 1e-6, "{length}");
        for max_batch in 2..=8 {
            assert_eq!(bits(&embed(max_batch)), bits(&expected), "batches of {max_batch}");
        }
    });
}

#[test]
fn texts_do_not_see_each_other() {
    with_synth(&Synth::new(variant("pooled-sub-qk-linear"), 1), HeadForm::Source, |model| {
        with_session(model, 4, |mut session| {
            let first = bits(session.embed(&IDS).expect("fits"));
            let other = bits(session.embed(&[7]).expect("fits"));
            assert_ne!(first, other);
            assert_eq!(bits(session.embed(&IDS).expect("fits")), first);
            assert_eq!(session.embed(&[3; 9]), Err(ForwardError::ContextFull { pos: 8, context: 8 }));
            assert_eq!(session.embed(&[]), Err(ForwardError::NoTokens));
            assert_eq!(session.embed(&[77]), Err(ForwardError::TokenId { token_id: 77, vocab_size: 77 }));
            assert_eq!(bits(session.embed(&IDS).expect("fits")), first);
        });
    });
}

#[test]
fn the_self_test_of_an_embedding_model_hashes_its_embeddings() {
    with_synth(&Synth::new(variant("pooled-sub"), 1), HeadForm::Source, |model| {
        let stored = model.self_test().expect("the packer stores one");
        let context = u32::try_from(stored.ids.len()).expect("few ids");
        let options = PlanOptions { context, max_batch: 3, max_prompt_bytes: 0, ..PlanOptions::default() };
        for kernels in Kernels::all(CpuFeatures::detect()) {
            open_session(model, kernels, &Serial, &options, |mut session| {
                let mut hash = LogitsHash::new();
                for (pos, n) in (0..context).zip(1..) {
                    hash.update(pos, session.embed(&stored.ids[..n]).expect("fits"));
                }
                let report = session.self_test().expect("it runs");
                assert_eq!((report.found, report.expected), (hash.finish(), stored.logits_hash));
            });
        }
    });
}

#[test]
fn each_kind_of_model_refuses_what_the_other_gives() {
    let row = Row { slot: 0, pos: 0, token_id: 1, wants_logits: true };
    with_synth(&Synth::new(variant("pooled"), 1), HeadForm::Source, |model| {
        with_session(model, 4, |mut session| {
            assert_eq!(session.transformer().forward(&[row]), Err(ForwardError::NoLogits));
            assert_eq!(session.prefill(&IDS, |_| true), Err(ForwardError::NoLogits));
            session.truncate(0);
            assert_eq!(session.append(1), Err(ForwardError::NoLogits));
            let only_cached = Row { wants_logits: false, ..row };
            assert_eq!(session.transformer().forward(&[only_cached]), Ok(&[][..]));
        });
    });
    with_synth(&Synth::new(variant("tied"), 1), HeadForm::Source, |model| {
        with_session(model, 4, |mut session| {
            assert_eq!(session.embed(&IDS), Err(ForwardError::NoEmbedding));
            assert_eq!(session.transformer().embeddings(&[row]), Err(ForwardError::NoEmbedding));
            session.prefill(&IDS, |_| true).expect("logits");
            let sampler = Sampler::new(SamplerOptions::GREEDY).expect("in range");
            assert!(session.sample(&sampler, &mut OutputHash::new()) < 77);
        });
    });
}

#[test]
fn a_console_does_not_open_on_an_embedding_model() {
    let options = ConsoleOptions {
        interactive: false,
        newline: "\n",
        sampler: SamplerOptions::GREEDY,
        max_answer_tokens: 1,
    };
    for (name, expected) in [("pooled", ConsoleError::EmbeddingModel), ("tied", ConsoleError::NoTokenizer)] {
        with_synth(&Synth::new(variant(name), 1), HeadForm::Source, |model| {
            with_session(model, 4, |session| {
                let found = Console::new(session, options).map(|_| ());
                assert_eq!(found, Err(expected), "{name}");
            });
        });
    }
}

#[test]
fn a_state_without_direction_is_a_typed_error_and_no_vector() {
    with_synth(&Synth::new(variant("pooled-linear"), 1), HeadForm::Source, |model| {
        let sound = with_session(model, 4, |mut session| session.embed(&IDS).map(<[f32]>::len));
        assert_eq!(sound, Ok(72));
    });
    for value in [0.0, 1e30, f32::INFINITY, f32::NAN] {
        with_final_norm(&Synth::new(variant("pooled-linear"), 1), value, |model| {
            let found = with_session(model, 4, |mut session| session.embed(&IDS).map(<[f32]>::len));
            assert_eq!(found, Err(ForwardError::NoDirection { pos: 6 }), "final norm {value}");
        });
    }
}

/// Packs random weights, then writes `value` over the whole final norm: damage that no reader of the tables sees.
fn with_final_norm(source: &Synth, value: f32, body: impl FnOnce(&Model<'_>)) {
    let file = packed_synth(source, HeadForm::Source, Layouts::all(TernaryLayout::I2));
    let model = Model::parse(file.bytes()).expect("a whole model");
    let payload = model.tensors().last().map_or(0, |last| last.offset + last.length);
    let norm = model.tensors().find(|tensor| tensor.role == Role::FinalNorm).expect("every model has one");
    let start = usize::try_from(model.file_bytes() - payload + norm.offset).expect("a small file");
    let mut memory = Vec::new();
    let copy = aligned_arena(&mut memory, file.bytes().len());
    copy.copy_from_slice(file.bytes());
    for element in copy[start..][..72 * 4].chunks_exact_mut(4) {
        element.copy_from_slice(&value.to_le_bytes());
    }
    body(&Model::parse(copy).expect("the tables are whole"));
}
