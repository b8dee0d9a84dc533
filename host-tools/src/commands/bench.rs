//! `ternlet bench`: speed, bytes and memory of a model on this machine

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use ternlet_runtime::{OutputHash, Sampler, SamplerOptions, Session};

use crate::error::Error;
use crate::open::{Gives, HeadFlags, LookupFlag, Needs, RunFlags, display_name, with_session};
use crate::output::out;
use crate::progress;

/// Flags of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Packed model [default: the shipped one]
    file: Option<PathBuf>,
    /// Tokens of the prompt
    #[arg(short, long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    prompt_tokens: u32,
    /// Tokens to generate
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    n_tokens: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lookup: LookupFlag,
    #[command(flatten)]
    head: HeadFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// What was measured; the field names are the JSON keys.
#[derive(Debug, Serialize)]
struct Report {
    prefill_tok_per_s: f64,
    decode_tok_per_s: f64,
    ms_per_token_p50: f64,
    ms_per_token_p95: f64,
    ms_per_token_p99: f64,
    /// Weight bytes per second of decoding, in 1e9.
    gb_per_s: f64,
    /// Read by a pass for one token; a pass with look-up reads them once for all its tokens.
    weight_bytes_per_token: u64,
    /// 1 without look-up.
    tokens_per_pass: f64,
    /// Peak resident set as the system counts it; where it does not tell, the file and the arena.
    peak_memory_bytes: u64,
    /// The session's planned memory.
    arena_bytes: u64,
    /// The share of the head's rows that decoding read whole.
    head_rows_completed: f64,
    /// Of every position that chose a token; null where a split head left logits out.
    logits_hash: Option<String>,
    /// Of the tokens that were chosen.
    ids_hash: String,
    prompt_tokens: u32,
    n_tokens: u32,
    threads: u32,
    backend: &'static str,
    kv: &'static str,
    model: String,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Error> {
    let path = args.file.as_deref();
    let context = Some(args.prompt_tokens.saturating_add(args.n_tokens));
    let needs = Needs {
        gives: Gives::Logits,
        context,
        max_batch: 32,
        max_logit_rows: args.lookup.logit_rows(),
        max_prompt_bytes: 0,
        head: args.head.head,
    };
    let report = with_session(path, &args.run, needs, |mut session| {
        args.lookup.apply(&mut session)?;
        measure(&mut session, args).map_err(|e| Error::new(display_name(path), e))
    })?;
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(|e| Error::new("bench", e))?;
        return out(format_args!("{json}\n"));
    }
    out(format_args!(
        "model            {}\n\
         backend          {}, {} threads, KV {}\n\
         prefill          {:.2} tok/s ({} tokens)\n\
         decode           {:.2} tok/s ({} tokens, {:.2} a pass)\n\
         ms per token     p50 {:.2}, p95 {:.2}, p99 {:.2}\n\
         weights read     {:.1} MB per token, {:.2} GB/s\n\
         memory           {:.1} MB (arena {:.1} MB)\n\
         head rows        {:.2} % read whole\n\
         {}",
        report.model,
        report.backend,
        report.threads,
        report.kv,
        report.prefill_tok_per_s,
        report.prompt_tokens,
        report.decode_tok_per_s,
        report.n_tokens,
        report.tokens_per_pass,
        report.ms_per_token_p50,
        report.ms_per_token_p95,
        report.ms_per_token_p99,
        mega(report.weight_bytes_per_token),
        report.gb_per_s,
        mega(report.peak_memory_bytes),
        mega(report.arena_bytes),
        100.0 * report.head_rows_completed,
        match &report.logits_hash {
            Some(hash) => format!("logits_hash      {hash}\nids_hash         {}\n", report.ids_hash),
            None => format!("ids_hash         {}\n", report.ids_hash),
        },
    ))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn measure(session: &mut Session<'_>, args: &BenchArgs) -> Result<Report, ternlet_runtime::ForwardError> {
    let vocab_size = session.model().config().vocab_size;
    // A prompt that no cache or branch predictor can learn: a multiplicative walk over the ids.
    let ids: Vec<u32> = (0..args.prompt_tokens).map(|i| i.wrapping_mul(2_654_435_761) % vocab_size).collect();
    let bar = progress::bar(u64::from(args.prompt_tokens) + u64::from(args.n_tokens), "tokens");

    // One pass touches every page of the weights, so that loading is not measured.
    session.prefill(&ids[..1], |_| true)?;
    session.truncate(0);

    let sampler = Sampler::new(SamplerOptions::GREEDY).expect("greedy options are in range");
    session.prepare_for(&sampler);
    let start = Instant::now();
    session.prefill(&ids, |done| {
        bar.set_position(done as u64);
        true
    })?;
    let prefill_s = start.elapsed().as_secs_f64();

    let head_before = session.head_work();
    let mut hash = OutputHash::new();
    let mut token_ms = Vec::new();
    for _ in 0..args.n_tokens {
        let start = Instant::now();
        let id = session.sample(&sampler, &mut hash);
        session.append(id)?;
        token_ms.push(start.elapsed().as_secs_f64() * 1e3);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let decode_s = token_ms.iter().sum::<f64>() / 1e3;
    let decode_tok_per_s = f64::from(args.n_tokens) / decode_s;
    token_ms.sort_by(f64::total_cmp);
    let percentile = |p: usize| token_ms[(token_ms.len() - 1) * p / 100];
    let model = session.model();
    let head = session.head_work().since(&head_before);
    let completed_bytes = head.n_completed * model.head_row_bytes() / u64::from(args.n_tokens);
    let weight_bytes_per_token = model.weight_bytes_per_token() + completed_bytes;
    let tokens_per_pass = session.decode_counts().tokens_per_pass();
    let options = session.plan().options();
    Ok(Report {
        prefill_tok_per_s: f64::from(args.prompt_tokens) / prefill_s,
        decode_tok_per_s,
        ms_per_token_p50: percentile(50),
        ms_per_token_p95: percentile(95),
        ms_per_token_p99: percentile(99),
        gb_per_s: mega(weight_bytes_per_token) / 1e3 * decode_tok_per_s / tokens_per_pass,
        weight_bytes_per_token,
        tokens_per_pass,
        peak_memory_bytes: peak_resident_bytes().unwrap_or(model.file_bytes() + session.used_bytes() as u64),
        arena_bytes: session.used_bytes() as u64,
        head_rows_completed: head.share(),
        logits_hash: hash.logits_hash().map(|hash| format!("{hash:016x}")),
        ids_hash: format!("{:016x}", hash.ids_hash()),
        prompt_tokens: args.prompt_tokens,
        n_tokens: args.n_tokens,
        threads: options.n_workers,
        backend: session.kernels().backend().name(),
        kv: options.kv.name(),
        model: model.config().name.as_str().to_owned(),
    })
}

/// Peak resident set of this process: `VmHWM` of Linux's `/proc/self/status`.
fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
