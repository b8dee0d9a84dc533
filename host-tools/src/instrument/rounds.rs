//! Rounds over all cases, each case beside its peers and a plain read

use ternlet_kernels::Kernels;
use ternlet_runtime::{KvType, Model, PlanOptions, Session, ThreadPool};

use super::bytes::PassBytes;
use super::case::Case;
use super::energy::Source;
use super::machine::{Machine, peak_resident_bytes};
use super::measure::{self, Run};
use super::peer::{Peer, Speed};
use super::report::{CaseReport, Report, Roof};
use super::{roof, stream};
use crate::error::Error;
use crate::open::open_session;
use crate::progress;

/// Rows of a prefill pass.
const BATCH: u32 = 128;

/// What to measure, and with what.
#[derive(Debug)]
pub(crate) struct Instrument<'a> {
    /// The model's name in messages.
    pub(crate) name: &'a str,
    pub(crate) model: &'a Model<'a>,
    pub(crate) kernels: &'static Kernels,
    pub(crate) kv: KvType,
    pub(crate) cases: &'a [Case],
    pub(crate) rounds: u32,
    pub(crate) peers: &'a [Peer],
    /// Rows with logits of a pass in one slot: more than one with look-up.
    pub(crate) logit_rows: u32,
    /// Whether a split head leaves out what it can.
    pub(crate) is_head_split: bool,
    /// Whether a roofline is asked for.
    pub(crate) needs_roof: bool,
}

/// What the rounds gave for one case.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Ours.
    pub(super) runs: Vec<Run>,
    /// A plain read beside each.
    pub(super) stream_gb_per_s: Vec<f64>,
    /// Each peer beside each; none where there are several slots.
    pub(super) peers: Vec<Vec<Speed>>,
    pub(super) arena_bytes: u64,
}

/// Measures everything. `prepare` sets up each session before it runs.
pub(crate) fn run(
    instrument: &Instrument<'_>,
    prepare: &dyn Fn(&mut Session<'_>) -> Result<(), Error>,
) -> Result<Report, Error> {
    let mut machine = Machine::read();
    let energy = Source::find();
    let mut found: Vec<Rounds> = instrument.cases.iter().map(|_| Rounds::default()).collect();
    for _ in 0..instrument.rounds {
        for (case, rounds) in instrument.cases.iter().zip(&mut found) {
            run_case(instrument, case, &energy, prepare, rounds)?;
        }
    }
    machine.finish();
    let model = instrument.model;
    let mut cases = Vec::new();
    for (case, rounds) in instrument.cases.iter().zip(&found) {
        // Half of the tokens to come: the mean context of a step.
        let context = case.prompt_tokens + case.n_tokens / 2;
        let unread = rounds.runs.first().map_or(0, |run| run.skipped.unread_bytes(model));
        let completed = rounds.runs.first().map_or(0, |run| run.head.n_completed / u64::from(case.n_tokens));
        let bytes = PassBytes::new(model, instrument.kv, case.slots, context, unread, completed);
        let zeros = rounds.runs.first().and_then(|run| run.skipped.zeros(model.config().hidden_dim));
        cases.push(CaseReport::new(case, rounds, bytes, zeros, instrument.peers, &energy));
    }
    let threads = instrument.cases.iter().map(|case| case.threads).max().unwrap_or(1);
    let roof = match instrument.needs_roof {
        true => Some(Roof { threads, gops: roof::gops(instrument.kernels, &pool(threads)?) }),
        false => None,
    };
    Ok(Report {
        model: model.config().name.as_str().to_owned(),
        file_bytes: model.file_bytes(),
        backend: instrument.kernels.backend().name(),
        kv: instrument.kv.name(),
        rounds: instrument.rounds,
        ternary_weights: ternary_weights(model),
        roof,
        peak_memory_bytes: peak_resident_bytes(),
        cases,
        machine,
    })
}

fn run_case(
    instrument: &Instrument<'_>,
    case: &Case,
    energy: &Source,
    prepare: &dyn Fn(&mut Session<'_>) -> Result<(), Error>,
    rounds: &mut Rounds,
) -> Result<(), Error> {
    let named = |e: &dyn std::fmt::Display| Error::new(instrument.name, e);
    let options = PlanOptions {
        context: case.prompt_tokens.saturating_add(case.n_tokens),
        max_batch: BATCH.max(case.slots),
        max_logit_rows: instrument.logit_rows.max(case.slots),
        // The most probable token alone is looked for.
        max_top_k: if instrument.is_head_split { instrument.model.usual_top_k().min(1) } else { 0 },
        n_slots: case.slots,
        n_workers: case.threads,
        kv: instrument.kv,
        max_prompt_bytes: 0,
    };
    let pool = pool(case.threads)?;
    let run = open_session(
        instrument.name,
        instrument.model.clone(),
        instrument.kernels,
        &pool,
        &options,
        "choose fewer --slots, or a shorter -p",
        |mut session| {
            prepare(&mut session)?;
            rounds.arena_bytes = session.used_bytes() as u64;
            let n = u64::from(case.slots) * (u64::from(case.prompt_tokens) + u64::from(case.n_tokens));
            let bar = progress::bar(n, "tokens");
            let run = measure::run(&mut session, case, energy, &|done| bar.set_position(done));
            bar.finish_and_clear();
            run.map_err(|e| named(&e))
        },
    )?;
    rounds.runs.push(run);
    rounds.stream_gb_per_s.push(stream::read_gb_per_s(instrument.model, &pool));
    // A pool's threads would wait beside the peer.
    drop(pool);
    if case.slots == 1 {
        rounds.peers.resize(instrument.peers.len(), Vec::new());
        for (peer, speeds) in instrument.peers.iter().zip(&mut rounds.peers) {
            speeds.push(peer.run(case)?);
        }
    }
    Ok(())
}

fn pool(threads: u32) -> Result<ThreadPool, Error> {
    ThreadPool::new(threads as usize).map_err(|e| {
        Error::new("threads", format!("expected {threads}, the system refused one: {e}"))
            .hint("choose fewer with --threads")
    })
}

fn ternary_weights(model: &Model<'_>) -> u64 {
    ternlet::footprint::parameters(model.config()).1
}
