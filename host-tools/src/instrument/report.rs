//! What was found: for programs as JSON, for people as a table
//!
//! Speeds are medians of the rounds, milliseconds are percentiles over the tokens of all rounds, and a ratio is taken
//! within each round, so its spread shows what the machine did beside.

use std::fmt::Write as _;

use serde::Serialize;

use super::bytes::PassBytes;
use super::case::Case;
use super::energy::Source;
use super::machine::Machine;
use super::measure::Run;
use super::peer::{Peer, Speed};
use super::rounds::Rounds;
use super::sparsity::Zeros;

/// Everything; the field names are the JSON keys.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) model: String,
    pub(crate) file_bytes: u64,
    pub(crate) backend: &'static str,
    pub(crate) kv: &'static str,
    pub(crate) rounds: u32,
    pub(crate) ternary_weights: u64,
    /// For the roofline; null where no picture was asked for.
    pub(crate) roof: Option<Roof>,
    /// Of this process over all cases; null where the system does not tell.
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) cases: Vec<CaseReport>,
    pub(crate) machine: Machine,
}

/// What the ternary GEMM does on weights that stay in the caches.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Roof {
    pub(crate) threads: u32,
    /// Multiplications and additions a second, in 1e9.
    pub(crate) gops: f64,
}

/// One case.
#[derive(Debug, Serialize)]
pub(crate) struct CaseReport {
    pub(crate) threads: u32,
    pub(crate) slots: u32,
    pub(crate) prompt_tokens: u32,
    pub(crate) n_tokens: u32,
    /// All slots together.
    pub(crate) prefill_tok_per_s: f64,
    /// All slots together.
    pub(crate) decode_tok_per_s: f64,
    /// Of a step, in which every slot gets a token.
    pub(crate) ms_per_step_p50: f64,
    pub(crate) ms_per_step_p95: f64,
    pub(crate) ms_per_step_p99: f64,
    /// Read by a pass.
    pub(crate) bytes_per_pass: PassBytes,
    /// Behind relu2 while decoding; null where no pass looked for them.
    pub(crate) zeros: Option<Zeros>,
    /// 1 without look-up.
    pub(crate) tokens_per_pass: f64,
    /// Of `bytes_per_pass` while decoding, in 1e9.
    pub(crate) gb_per_s: f64,
    /// Of a plain read by the same threads, in 1e9.
    pub(crate) stream_gb_per_s: f64,
    /// The share of that read that decoding reaches, of each round.
    pub(crate) share_of_stream: Spread,
    /// Null where the machine does not tell.
    pub(crate) joules_per_token: Option<f64>,
    /// What told it, or why nothing did.
    pub(crate) energy_source: String,
    pub(crate) arena_bytes: u64,
    /// The share of the head's rows that decoding read whole: 1 but for a split head.
    pub(crate) head_rows_completed: f64,
    /// Of every position that chose a token; null where a split head left logits out.
    pub(crate) logits_hash: Option<String>,
    /// Of the tokens that were chosen.
    pub(crate) ids_hash: String,
    /// Whether every round gave the same hashes.
    pub(crate) hashes_agree: bool,
    pub(crate) prefill_rounds: Vec<f64>,
    pub(crate) decode_rounds: Vec<f64>,
    pub(crate) stream_rounds: Vec<f64>,
    pub(crate) peers: Vec<PeerReport>,
}

/// A peer beside one case.
#[derive(Debug, Serialize)]
pub(crate) struct PeerReport {
    pub(crate) command: String,
    pub(crate) rounds: Vec<Speed>,
    /// Ours over the peer's, of each round; null where it did not tell.
    pub(crate) prefill_ratio: Option<Spread>,
    pub(crate) decode_ratio: Option<Spread>,
    /// Ours over the peer's, of all tokens in the whole run.
    pub(crate) whole_ratio: Option<Spread>,
}

/// The median and the extremes of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of `figures`; `None` of none.
    fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }
}

/// The smallest of `sorted` that at least `percent` in a hundred of them do not exceed.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// The median of the figures of at least one round.
fn median(figures: &[f64]) -> f64 {
    Spread::of(figures).map_or(f64::NAN, |spread| spread.median)
}

impl CaseReport {
    pub(super) fn new(
        case: &Case,
        rounds: &Rounds,
        bytes: PassBytes,
        zeros: Option<Zeros>,
        peers: &[Peer],
        energy: &Source,
    ) -> Self {
        let of = |figure: &dyn Fn(&Run) -> f64| -> Vec<f64> { rounds.runs.iter().map(figure).collect() };
        let prefill_rounds = of(&|run| run.prefill_tok_per_s(case));
        let decode_rounds = of(&|run| run.decode_tok_per_s(case));
        let passes_per_s = of(&|run| f64::from(case.n_tokens) / run.tokens_per_pass / run.decode_s());
        #[expect(clippy::cast_precision_loss, reason = "a figure of four digits")]
        let gigabytes = bytes.total() as f64 / 1e9;
        let shares: Vec<f64> = passes_per_s
            .iter()
            .zip(&rounds.stream_gb_per_s)
            .map(|(passes, stream)| passes * gigabytes / stream)
            .collect();
        let mut step_ms: Vec<f64> =
            rounds.runs.iter().flat_map(|run| run.step_s.iter().map(|seconds| seconds * 1e3)).collect();
        step_ms.sort_by(f64::total_cmp);
        let percentile = |p: usize| nearest_rank(&step_ms, p);
        let joules: Option<Vec<f64>> = rounds.runs.iter().map(|run| run.joules).collect();
        let generated = f64::from(case.n_tokens) * f64::from(case.slots);
        let first = rounds.runs.first().expect("at least one round");
        Self {
            threads: case.threads,
            slots: case.slots,
            prompt_tokens: case.prompt_tokens,
            n_tokens: case.n_tokens,
            prefill_tok_per_s: median(&prefill_rounds),
            decode_tok_per_s: median(&decode_rounds),
            ms_per_step_p50: percentile(50),
            ms_per_step_p95: percentile(95),
            ms_per_step_p99: percentile(99),
            bytes_per_pass: bytes,
            zeros,
            tokens_per_pass: median(&of(&|run| run.tokens_per_pass)),
            gb_per_s: median(&passes_per_s) * gigabytes,
            stream_gb_per_s: median(&rounds.stream_gb_per_s),
            share_of_stream: Spread::of(&shares).expect("at least one round"),
            joules_per_token: joules.map(|joules| median(&joules) / generated),
            energy_source: energy.name().to_owned(),
            arena_bytes: rounds.arena_bytes,
            head_rows_completed: first.head.share(),
            logits_hash: first.logits_hash.map(|hash| format!("{hash:016x}")),
            ids_hash: format!("{:016x}", first.ids_hash),
            hashes_agree: rounds
                .runs
                .iter()
                .all(|run| (run.logits_hash, run.ids_hash) == (first.logits_hash, first.ids_hash)),
            peers: peers
                .iter()
                .zip(&rounds.peers)
                .map(|(peer, speeds)| {
                    PeerReport::new(case, peer, speeds, rounds, &prefill_rounds, &decode_rounds)
                })
                .collect(),
            prefill_rounds,
            decode_rounds,
            stream_rounds: rounds.stream_gb_per_s.clone(),
        }
    }
}

impl CaseReport {
    /// Of the logits, or of the ids where not all logits were computed.
    fn hash(&self) -> String {
        match &self.logits_hash {
            Some(hash) => format!("logits {hash}"),
            None => format!("ids {}", self.ids_hash),
        }
    }
}

impl PeerReport {
    fn new(
        case: &Case,
        peer: &Peer,
        speeds: &[Speed],
        rounds: &Rounds,
        prefill: &[f64],
        decode: &[f64],
    ) -> Self {
        let n_tokens = f64::from(case.prompt_tokens) + f64::from(case.n_tokens);
        let whole: Vec<f64> =
            rounds.runs.iter().map(|run| n_tokens / (run.prefill_s + run.decode_s())).collect();
        let ratio = |ours: &[f64], theirs: &dyn Fn(&Speed) -> Option<f64>| {
            let ratios: Vec<f64> =
                ours.iter().zip(speeds).filter_map(|(ours, speed)| Some(ours / theirs(speed)?)).collect();
            Spread::of(&ratios)
        };
        Self {
            command: peer.to_string(),
            rounds: speeds.to_vec(),
            prefill_ratio: ratio(prefill, &|speed| speed.prefill),
            decode_ratio: ratio(decode, &|speed| speed.decode),
            whole_ratio: ratio(&whole, &|speed| speed.whole),
        }
    }
}

impl Report {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let unknown = || "unknown".to_owned();
        let load =
            |at: usize| self.machine.load_average[at].map_or_else(unknown, |load| format!("{load:.2}"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "model      {}, {:.1} MB, {} ternary weights",
            self.model,
            mega(self.file_bytes),
            self.ternary_weights
        );
        let _ = writeln!(
            text,
            "backend    {}, KV {}, {} round{}",
            self.backend,
            self.kv,
            self.rounds,
            if self.rounds == 1 { "" } else { "s" }
        );
        let _ = writeln!(
            text,
            "machine    {}, {} cores, load average {} before and {} after",
            self.machine.cpu.clone().unwrap_or_else(unknown),
            self.machine.cores.map_or_else(unknown, |cores| cores.to_string()),
            load(0),
            load(1)
        );
        if let Some(peak) = self.peak_memory_bytes {
            let _ = writeln!(text, "memory     {:.1} MB at its peak", mega(peak));
        }
        let _ = writeln!(
            text,
            "\nthreads slots prompt  prefill   decode    p50 ms    p95 ms    p99 ms  MB/pass    GB/s  stream  share  arena MB  hash"
        );
        for case in &self.cases {
            let _ = writeln!(
                text,
                "{:>7} {:>5} {:>6} {:>8.2} {:>8.2} {:>9.2} {:>9.2} {:>9.2} {:>8.1} {:>7.2} {:>7.2} {:>5.0}% {:>9.1}  {}{}",
                case.threads,
                case.slots,
                case.prompt_tokens,
                case.prefill_tok_per_s,
                case.decode_tok_per_s,
                case.ms_per_step_p50,
                case.ms_per_step_p95,
                case.ms_per_step_p99,
                mega(case.bytes_per_pass.total()),
                case.gb_per_s,
                case.stream_gb_per_s,
                case.share_of_stream.median * 100.0,
                mega(case.arena_bytes),
                case.hash(),
                if case.hashes_agree { "" } else { " DIFFERS BETWEEN ROUNDS" },
            );
        }
        if let Some(case) = self.cases.first() {
            let bytes = case.bytes_per_pass;
            let _ = writeln!(
                text,
                "\nbytes      body {:.1} MB, head {:.1}, norms {:.1}, KV {:.1} (first line)",
                mega(bytes.body),
                mega(bytes.head),
                mega(bytes.norms),
                mega(bytes.kv)
            );
            let _ = writeln!(
                text,
                "head rows  {:.3} % read whole (first line)",
                100.0 * case.head_rows_completed
            );
            if let Some(zeros) = &case.zeros {
                let _ = writeln!(
                    text,
                    "zeros      {:.1} % of gates, {:.1} % of w_down's inputs (first line; by layer in --json)",
                    100.0 * zeros.gates,
                    100.0 * zeros.down_inputs
                );
            }
            if case.tokens_per_pass > 1.0 {
                let _ = writeln!(text, "look-up    {:.2} tokens a pass (first line)", case.tokens_per_pass);
            }
            let _ = match case.joules_per_token {
                Some(joules) => {
                    writeln!(text, "energy     {joules:.3} J a token ({}, first line)", case.energy_source)
                }
                None => writeln!(text, "energy     not known: {}", case.energy_source),
            };
        }
        for case in &self.cases {
            for peer in &case.peers {
                let _ = writeln!(
                    text,
                    "\npeer       {} ({} threads, prompt {})",
                    peer.command, case.threads, case.prompt_tokens
                );
                for (name, ratio) in [
                    ("prefill", peer.prefill_ratio),
                    ("decode", peer.decode_ratio),
                    ("whole run", peer.whole_ratio),
                ] {
                    let Some(Spread { median, min, max }) = ratio else { continue };
                    let _ = writeln!(text, "  {name:<9} {median:.2} times its speed ({min:.2} to {max:.2})");
                }
            }
        }
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_medians_between_extremes() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank_above() {
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        for (percent, expected) in [(50, 5.0), (95, 10.0), (99, 10.0), (100, 10.0), (1, 1.0)] {
            assert_eq!(nearest_rank(&ten, percent).to_bits(), f64::to_bits(expected), "{percent}");
        }
        assert_eq!(nearest_rank(&[7.0], 99).to_bits(), 7.0_f64.to_bits());
    }
}
