//! Look-up changes no id and no bit: greedy and sampled, every backend, up to the end of the context
//!
//! Decoding with and without guesses is compared token by token and by the hash of all logits, on the shipped model.

use ternlet::pack::HeadForm;
use ternlet::pack::synth::Synth;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    DecodeCounts, ForwardError, LOOKUP_ROWS, LookupError, Model, ModelFile, OutputHash, PlanOptions, Sampler,
    SamplerOptions, Serial, Session, Specials, Tokenizer,
};
use ternlet_tests::{open_session, shipped_model, variants, with_synth};

/// Room for a full draft.
const PLAN: PlanOptions = PlanOptions {
    context: 160,
    max_batch: 32,
    max_logit_rows: LOOKUP_ROWS,
    max_top_k: 0,
    n_slots: 1,
    n_workers: 1,
    kv: ternlet_runtime::KvType::F16,
    max_prompt_bytes: 0,
};

/// What decoding gave.
#[derive(Debug, PartialEq)]
struct Decoded {
    ids: Vec<u32>,
    logits_hash: u64,
}

/// Continues `prompt` until the context is full or `n_tokens` are drawn.
fn decode(session: &mut Session<'_>, prompt: &[u32], sampler: SamplerOptions, n_tokens: usize) -> Decoded {
    let sampler = Sampler::new(sampler).expect("options in range");
    let mut hash = OutputHash::new();
    let mut ids = Vec::new();
    session.truncate(0);
    session.prefill(prompt, |_| true).expect("the prompt fits");
    while ids.len() < n_tokens {
        let id = session.sample(&sampler, &mut hash);
        ids.push(id);
        assert_eq!(session.n_cached() as usize, prompt.len() + ids.len() - 1);
        if session.n_cached() == session.plan().options().context {
            let context = session.n_cached();
            assert_eq!(session.append(id), Err(ForwardError::ContextFull { pos: context, context }));
            break;
        }
        session.append(id).expect("the context has room");
        assert_eq!(session.cached_ids()[prompt.len()..], ids);
    }
    Decoded { ids, logits_hash: hash.logits_hash().expect("all logits") }
}

/// Decodes with and without look-up; returns what look-up counted.
fn check(
    session: &mut Session<'_>,
    prompt: &[u32],
    sampler: SamplerOptions,
    n_tokens: usize,
) -> DecodeCounts {
    session.set_lookup(false).expect("off is always possible");
    let expected = decode(session, prompt, sampler, n_tokens);
    session.set_lookup(true).expect("the plan has room");
    let before = session.decode_counts();
    let found = decode(session, prompt, sampler, n_tokens);
    assert_eq!(found, expected, "{sampler:?}, prompt {prompt:?}");
    session.decode_counts().since(before)
}

fn encode(tokenizer: &Tokenizer<'_>, text: &str) -> Vec<u32> {
    let mut scratch = vec![0; Tokenizer::scratch_len(2 * text.len())];
    let mut ids: Vec<u32> = tokenizer.prefix_ids().collect();
    let mut push = |id| {
        ids.push(id);
        Ok(())
    };
    tokenizer.encode(text, Specials::Recognise, &mut scratch, &mut push).expect("the scratch fits");
    ids
}

fn samplers() -> [SamplerOptions; 4] {
    let sampled = SamplerOptions { temperature: 0.8, top_k: 40, top_p: 0.95, seed: 7 };
    [
        SamplerOptions::GREEDY,
        sampled,
        SamplerOptions { temperature: 0.3, top_k: 5, top_p: 1.0, seed: 1 },
        SamplerOptions { temperature: 1.3, top_k: 0, top_p: 1.0, seed: u64::MAX },
    ]
}

const PROMPTS: [&str; 6] = [
    "Tell me a story about a robot.",
    "set gpio 17 high",
    "a b a b a b a b a b",
    "Once upon a time there was a cat. Once upon a time there was a dog. Once upon a time",
    "x",
    "The robot said: I am a robot. The robot said: I am a robot. The robot said:",
];

fn with_shipped(body: impl FnOnce(&Model<'_>)) {
    let file = ModelFile::open(&shipped_model()).expect("the shipped model");
    body(&Model::parse(file.bytes()).expect("a whole model"));
}

#[test]
fn every_prompt_and_sampler_gives_the_same_with_and_without() {
    with_shipped(|model| {
        let tokenizer = model.tokenizer().unwrap();
        open_session(model, Kernels::best(CpuFeatures::detect()), &Serial, &PLAN, |mut session| {
            for prompt in PROMPTS {
                let ids = encode(&tokenizer, prompt);
                for sampler in samplers() {
                    check(&mut session, &ids, sampler, 60);
                }
            }
        });
    });
}

#[test]
fn every_backend_gives_the_same() {
    with_shipped(|model| {
        let ids = encode(&model.tokenizer().unwrap(), PROMPTS[3]);
        let mut all = Vec::new();
        for kernels in Kernels::all(CpuFeatures::detect()) {
            open_session(model, kernels, &Serial, &PLAN, |mut session| {
                session.set_lookup(true).unwrap();
                all.push(decode(&mut session, &ids, samplers()[1], 12));
            });
        }
        all.dedup();
        assert_eq!(all.len(), 1);
    });
}

/// A board is told the same things again and again.
#[test]
fn repeated_text_takes_far_fewer_passes() {
    let commands = [("set gpio 17 high", "high"), ("set gpio 17 low", "low"), ("set gpio 17 high", "high")];
    let turn = |(command, state)| {
        format!(
            "User: {command}<|eot_id|>Assistant: \
             {{\"intent\":\"gpio_set\",\"pin\":\"17\",\"state\":\"{state}\"}}<|eot_id|>"
        )
    };
    let text = commands.map(turn).concat() + "User: set gpio 17 low<|eot_id|>Assistant:";
    with_shipped(|model| {
        let ids = encode(&model.tokenizer().unwrap(), &text);
        open_session(model, Kernels::best(CpuFeatures::detect()), &Serial, &PLAN, |mut session| {
            for sampler in samplers() {
                let counts = check(&mut session, &ids, sampler, 24);
                assert!(counts.tokens_per_pass() > 1.5, "{sampler:?}: {counts:?}");
            }
        });
    });
}

/// Shapes whose random weights fall into loops at once: drafts are accepted up to the last position.
#[test]
fn drafts_end_where_the_context_ends() {
    for config in variants().into_iter().filter(|config| config.pooling.is_none()) {
        with_synth(&Synth::new(config, 3), HeadForm::Source, |model| {
            for (context, max_batch, max_logit_rows) in [(64, 8, 8), (63, 5, 3), (33, 2, 2), (9, 32, 8)] {
                let plan = PlanOptions { context, max_batch, max_logit_rows, ..PLAN };
                let kernels = Kernels::best(CpuFeatures::detect());
                open_session(model, kernels, &Serial, &plan, |mut session| {
                    for sampler in samplers() {
                        check(&mut session, &[3, 1, 3, 1, 3], sampler, 100);
                    }
                });
            }
        });
    }
}

/// What a caller does between two tokens: stop there, take another token, say more, ask the transformer itself.
#[test]
fn what_was_guessed_and_not_appended_is_forgotten() {
    with_shipped(|model| {
        let ids = encode(&model.tokenizer().unwrap(), &"one two three four five. ".repeat(6));
        let sampler = Sampler::new(SamplerOptions::GREEDY).unwrap();
        let continued = |lookup: bool, meddle: fn(&mut Session<'_>)| {
            open_session(model, Kernels::best(CpuFeatures::detect()), &Serial, &PLAN, |mut session| {
                session.set_lookup(lookup).unwrap();
                let mut hash = OutputHash::new();
                session.prefill(&ids, |_| true).unwrap();
                for _ in 0..5 {
                    let id = session.sample(&sampler, &mut hash);
                    session.append(id).unwrap();
                    meddle(&mut session);
                }
                session.sample(&sampler, &mut hash);
                (session.cached_ids().to_vec(), hash.logits_hash().expect("all logits"))
            })
        };
        let meddling: [fn(&mut Session<'_>); 5] = [
            |session| session.truncate(u32::MAX),
            |session| session.append(9).unwrap(),
            |session| assert_eq!(session.prefill(&[5, 6, 7], |_| true), Ok(3)),
            |session| {
                session.truncate(session.n_cached() - 1);
                session.append(4).unwrap();
            },
            |session| {
                let n_cached = session.n_cached();
                assert_eq!(session.transformer().n_cached(0), n_cached);
                session.append(8).unwrap();
            },
        ];
        for (i, meddle) in meddling.into_iter().enumerate() {
            assert_eq!(continued(true, meddle), continued(false, meddle), "case {i}");
        }
    });
}

#[test]
fn a_plan_without_room_refuses_look_up() {
    with_shipped(|model| {
        for (max_batch, max_logit_rows) in [(32, 1), (1, 1)] {
            let plan = PlanOptions { max_batch, max_logit_rows, ..PLAN };
            open_session(model, Kernels::best(CpuFeatures::detect()), &Serial, &plan, |mut session| {
                assert_eq!(session.set_lookup(true), Err(LookupError { n_rows: 1 }));
                assert_eq!(session.set_lookup(false), Ok(()));
            });
        }
    });
}
