//! One run of one case: prefill, then decode, token by token on the clock

use std::time::Instant;

use ternlet_runtime::{ForwardError, HeadWork, OutputHash, Row, Sampler, SamplerOptions, Session, argmax};

use super::case::Case;
use super::energy::Source;
use super::sparsity::Skipped;

/// What one run gave.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Seconds of prefilling all slots.
    pub(crate) prefill_s: f64,
    /// Seconds of each decoding step, in which every slot gets one token.
    pub(crate) step_s: Vec<f64>,
    /// Of decoding.
    pub(crate) joules: Option<f64>,
    /// Tokens that one pass over the weights gave a slot: more than one with look-up.
    pub(crate) tokens_per_pass: f64,
    /// What the skip left unread in decoding.
    pub(crate) skipped: Skipped,
    /// Rows of the head in decoding, and those of a split head that were read whole.
    pub(crate) head: HeadWork,
    /// Of every position that chose a token, slot by slot in each step; `None` where a split head left logits out.
    pub(crate) logits_hash: Option<u64>,
    /// Of the tokens that were chosen.
    pub(crate) ids_hash: u64,
}

impl Run {
    /// Tokens per second of prefill, all slots together.
    pub(crate) fn prefill_tok_per_s(&self, case: &Case) -> f64 {
        f64::from(case.prompt_tokens) * f64::from(case.slots) / self.prefill_s
    }

    /// Seconds of decoding.
    pub(crate) fn decode_s(&self) -> f64 {
        self.step_s.iter().sum()
    }

    /// Tokens per second of decoding, all slots together.
    pub(crate) fn decode_tok_per_s(&self, case: &Case) -> f64 {
        f64::from(case.n_tokens) * f64::from(case.slots) / self.decode_s()
    }
}

/// Runs `case` in a session that was planned for it. `progress` hears each token.
pub(crate) fn run(
    session: &mut Session<'_>,
    case: &Case,
    energy: &Source,
    progress: &dyn Fn(u64),
) -> Result<Run, ForwardError> {
    let ids = prompt(session.model().config().vocab_size, case.prompt_tokens);
    // One pass touches every page of the weights, so that loading is not measured.
    session.prefill(&ids[..1], |_| true)?;
    session.truncate(0);
    let sampler = Sampler::new(SamplerOptions::GREEDY).expect("greedy options are in range");
    session.prepare_for(&sampler);
    if case.slots == 1 {
        run_one(session, case, &sampler, &ids, energy, progress)
    } else {
        run_slots(session, case, &ids, energy, progress)
    }
}

/// A prompt that no cache or branch predictor can learn: a multiplicative walk over the ids.
fn prompt(vocab_size: u32, n: u32) -> Vec<u32> {
    (0..n).map(|i| i.wrapping_mul(2_654_435_761) % vocab_size).collect()
}

/// As a conversation goes: a session, its sampler and, where it is on, look-up.
fn run_one(
    session: &mut Session<'_>,
    case: &Case,
    sampler: &Sampler,
    ids: &[u32],
    energy: &Source,
    progress: &dyn Fn(u64),
) -> Result<Run, ForwardError> {
    let start = Instant::now();
    session.prefill(ids, |done| {
        progress(done as u64);
        true
    })?;
    let prefill_s = start.elapsed().as_secs_f64();
    let mut hash = OutputHash::new();
    let mut step_s = Vec::new();
    let before = session.decode_counts();
    let skipped_before = Skipped::so_far(session);
    let head_before = session.head_work();
    let meter = energy.start();
    for step in 0..case.n_tokens {
        let start = Instant::now();
        let id = session.sample(sampler, &mut hash);
        session.append(id)?;
        step_s.push(start.elapsed().as_secs_f64());
        progress(u64::from(case.prompt_tokens + step));
    }
    let joules = meter.stop();
    let after = session.decode_counts();
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    let tokens_per_pass =
        (after.n_tokens - before.n_tokens) as f64 / (after.n_passes - before.n_passes) as f64;
    let skipped = Skipped::so_far(session).since(&skipped_before);
    let head = session.head_work().since(&head_before);
    let (logits_hash, ids_hash) = (hash.logits_hash(), hash.ids_hash());
    Ok(Run { prefill_s, step_s, joules, tokens_per_pass, skipped, head, logits_hash, ids_hash })
}

/// As a server goes: every slot gets a token in one pass.
fn run_slots(
    session: &mut Session<'_>,
    case: &Case,
    ids: &[u32],
    energy: &Source,
    progress: &dyn Fn(u64),
) -> Result<Run, ForwardError> {
    let max_batch = session.plan().options().max_batch as usize;
    let vocab_size = session.model().config().vocab_size as usize;
    let transformer = session.transformer();
    let start = Instant::now();
    let mut next = vec![0; case.slots as usize];
    for (slot, next) in (0..case.slots).zip(&mut next) {
        let last = ids.len() - 1;
        for batch in (0..).zip(ids).collect::<Vec<(u32, &u32)>>().chunks(max_batch) {
            let rows: Vec<Row> = batch
                .iter()
                .map(|&(pos, &token_id)| Row { slot, pos, token_id, wants_logits: pos as usize == last })
                .collect();
            let logits = transformer.forward_top(&rows, Some(1))?;
            if !logits.is_empty() {
                *next = argmax(logits);
            }
        }
        progress(u64::from(slot) * u64::from(case.prompt_tokens));
    }
    let prefill_s = start.elapsed().as_secs_f64();
    let skipped_before = Skipped::so_far(session);
    let head_before = session.head_work();
    let transformer = session.transformer();
    let mut hash = OutputHash::new();
    let mut step_s = Vec::new();
    let meter = energy.start();
    for step in 0..case.n_tokens {
        let start = Instant::now();
        let pos = case.prompt_tokens + step;
        let rows: Vec<Row> = (0..)
            .zip(&next)
            .map(|(slot, &token_id)| Row { slot, pos, token_id, wants_logits: true })
            .collect();
        transformer.forward_top(&rows, Some(1))?;
        let is_whole = transformer.has_all_logits();
        let logits = &transformer.latest_output()[..next.len() * vocab_size];
        for (next, logits) in next.iter_mut().zip(logits.chunks_exact(vocab_size)) {
            *next = argmax(logits);
            hash.update(pos, is_whole.then_some(logits), *next);
        }
        step_s.push(start.elapsed().as_secs_f64());
        progress(u64::from(case.slots) * u64::from(case.prompt_tokens + step));
    }
    let joules = meter.stop();
    let skipped = Skipped::so_far(session).since(&skipped_before);
    let head = session.head_work().since(&head_before);
    let (logits_hash, ids_hash) = (hash.logits_hash(), hash.ids_hash());
    Ok(Run { prefill_s, step_s, joules, tokens_per_pass: 1.0, skipped, head, logits_hash, ids_hash })
}
