//! The shipped model, a real distribution: over thousands of greedy tokens the split head picks what the whole head picks

use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    HeadWork, KvType, Model, ModelFile, OutputHash, PlanOptions, Row, Sampler, SamplerOptions, Serial, argmax,
};
use ternlet_tests::{open_session, shipped_model};

/// Tokens in all, and of one continuation.
const N_TOKENS: u32 = 2_100;
const CONTINUATION: u32 = 210;
const PROMPT: u32 = 8;
/// The largest share of rows that greedy decoding may complete here; 0.9 % was found.
const MAX_SHARE: f64 = 0.02;

#[test]
fn greedy_decoding_is_that_of_the_whole_head() {
    let file = ModelFile::open(&shipped_model()).expect("the shipped model");
    let model = Model::parse(file.bytes()).expect("the shipped model");
    assert!(model.has_split_head());
    let kernels = Kernels::best(CpuFeatures::detect());
    let sampler = Sampler::new(SamplerOptions::GREEDY).expect("in range");
    let context = PROMPT + CONTINUATION;
    let base = PlanOptions { context, kv: KvType::F16, max_prompt_bytes: 0, ..PlanOptions::default() };
    let split = PlanOptions { max_top_k: model.usual_top_k(), ..base };
    let vocab_size = model.config().vocab_size;
    let (mut n_tokens, mut read) = (0, HeadWork::default());
    for start in 0..N_TOKENS / CONTINUATION {
        // Prompts of arbitrary words: continuations of different kinds, few of which fall into a loop.
        let mut ids: Vec<u32> = (0..PROMPT).map(|i| (start * 211 + i * i * 97 + 300) % vocab_size).collect();
        open_session(&model, kernels, &Serial, &split, |mut session| {
            session.prepare_for(&sampler);
            session.prefill(&ids, |_| true).expect("fits");
            let mut hash = OutputHash::new();
            for _ in 0..CONTINUATION {
                let id = session.sample(&sampler, &mut hash);
                ids.push(id);
                n_tokens += 1;
                session.append(id).expect("fits");
            }
            let HeadWork { n_rows, n_completed } = session.head_work();
            read.n_rows += n_rows;
            read.n_completed += n_completed;
        });
        let whole = PlanOptions { max_batch: context, max_logit_rows: context, ..base };
        open_session(&model, kernels, &Serial, &whole, |mut session| {
            let rows: Vec<Row> = (0..context)
                .zip(&ids)
                .map(|(pos, &token_id)| Row { slot: 0, pos, token_id, wants_logits: true })
                .collect();
            let logits = session.transformer().forward(&rows).expect("finite");
            let chosen = logits.chunks_exact(vocab_size as usize).map(argmax);
            let from = PROMPT as usize - 1;
            for (pos, (chosen, id)) in chosen.zip(&ids[1..]).enumerate().skip(from) {
                assert_eq!(chosen, *id, "continuation {start}, position {pos}");
            }
        });
    }
    assert!(n_tokens >= 2_000, "{n_tokens}");
    eprintln!("{n_tokens} greedy tokens, {:.3} % of the head's rows read whole", 100.0 * read.share());
    assert!(read.share() <= MAX_SHARE, "{:.4} of the rows were completed, at most {MAX_SHARE}", read.share());
}
