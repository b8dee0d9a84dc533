//! `ternlet logits`: all logits of a list of ids, for comparing machines and implementations

use std::io::BufWriter;
use std::path::PathBuf;

use clap::Args;
use ternlet::output_file::{OutputFile, refuse_input};
use ternlet_runtime::{LogitsHash, Row, Session, argmax};

use crate::error::Error;
use crate::ids::{IdsNeeded, read_ids};
use crate::npy::NpyWriter;
use crate::open::{Gives, HeadPath, Needs, RunFlags, with_session};
use crate::output::out;

/// Flags of `logits`.
#[derive(Debug, Args)]
pub(crate) struct LogitsArgs {
    /// Packed model
    file: PathBuf,
    /// JSON array of token ids
    #[arg(long, value_name = "IDS.json")]
    ids_file: PathBuf,
    /// Where the logits go: npy, f32 [tokens, vocab]
    #[arg(long, value_name = "LOGITS.npy")]
    out: PathBuf,
    /// How the ids are run: prefill (at once), decode (one by one) or chunk:N
    #[arg(long, value_name = "MODE", default_value = "prefill", value_parser = parse_mode)]
    mode: Mode,
    /// Continue greedily for N tokens and print their ids
    #[arg(long, value_name = "N")]
    greedy: Option<u32>,
    #[command(flatten)]
    run: RunFlags,
}

/// Rows per pass.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Prefill,
    Decode,
    Chunk(u32),
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    match text {
        "prefill" => Ok(Mode::Prefill),
        "decode" => Ok(Mode::Decode),
        _ => text
            .strip_prefix("chunk:")
            .and_then(|n| n.parse().ok())
            .filter(|n| (1..=MAX_BATCH).contains(n))
            .map(Mode::Chunk)
            .ok_or_else(|| {
                format!("expected prefill, decode or chunk:1 to chunk:{MAX_BATCH}, found \"{text}\"")
            }),
    }
}

/// Rows of one pass at most: what fits without making the logits buffer absurd.
const MAX_BATCH: u32 = 256;

/// Runs the command.
pub(crate) fn run(args: &LogitsArgs) -> Result<(), Error> {
    refuse_input(&args.out, &[&args.file, &args.ids_file])?;
    let needed = IdsNeeded { min: 1, n_more: args.greedy.unwrap_or(0) };
    let ids = read_ids(&args.ids_file, &args.file, needed)?;
    let n_ids = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let max_batch = match args.mode {
        Mode::Prefill => n_ids.clamp(1, MAX_BATCH),
        Mode::Decode => 1,
        Mode::Chunk(n) => n,
    };
    let context = n_ids.saturating_add(args.greedy.unwrap_or(0)).max(1);
    let needs = Needs {
        gives: Gives::Logits,
        context: Some(context),
        max_batch,
        max_logit_rows: max_batch,
        max_prompt_bytes: 0,
        head: HeadPath::Full,
    };
    with_session(Some(&args.file), &args.run, needs, |mut session| {
        let hash = write_logits(&mut session, &ids, max_batch as usize, args)?;
        out(format_args!("logits_hash: {hash:016x}\n"))?;
        if let Some(n) = args.greedy {
            let ids = greedy(&mut session, n)?;
            out(format_args!("greedy_ids: {ids:?}\n"))?;
        }
        Ok(())
    })
}

/// Runs all ids, writes their logits, returns the hash.
fn write_logits(
    session: &mut Session<'_>,
    ids: &[u32],
    batch: usize,
    args: &LogitsArgs,
) -> Result<u64, Error> {
    let vocab_size = session.model().config().vocab_size as usize;
    let output = OutputFile::create_or_stream(&args.out)?;
    let write_error = |e| output.error(&e);
    let writer = BufWriter::new(output.file());
    let mut npy = NpyWriter::new(writer, &[ids.len(), vocab_size]).map_err(write_error)?;
    let mut hash = LogitsHash::new();
    let mut pos = 0;
    for batch in ids.chunks(batch) {
        let rows: Vec<Row> = (pos..)
            .zip(batch)
            .map(|(pos, &token_id)| Row { slot: 0, pos, token_id, wants_logits: true })
            .collect();
        let logits =
            session.transformer().forward(&rows).map_err(|e| Error::new(args.ids_file.display(), e))?;
        for logits in logits.chunks_exact(vocab_size) {
            hash.update(pos, logits);
            pos += 1;
        }
        npy.write(logits).map_err(write_error)?;
    }
    npy.finish().map_err(write_error)?;
    output.publish()?;
    Ok(hash.finish())
}

/// The ids that greedy decoding appends to what the session holds.
fn greedy(session: &mut Session<'_>, n: u32) -> Result<Vec<u32>, Error> {
    let vocab_size = session.model().config().vocab_size as usize;
    let mut ids = Vec::new();
    // After a batch, the last row's logits are the last ones in the buffer that were computed.
    let mut last_row = (session.n_cached() as usize).checked_sub(1).map(|last| {
        let batch = session.plan().options().max_batch as usize;
        last % batch
    });
    for step in 0..n {
        let Some(row) = last_row else {
            return Err(Error::new("--greedy", "expected at least one id to continue from, found none"));
        };
        let logits = &session.transformer().latest_output()[row * vocab_size..(row + 1) * vocab_size];
        let id = argmax(logits);
        ids.push(id);
        if step + 1 < n {
            session.append(id).map_err(|e| Error::new("--greedy", e))?;
            last_row = Some(0);
        }
    }
    Ok(ids)
}
