//! `ternlet perplexity`: the mean negative log-likelihood of a list of ids

use std::io::BufWriter;
use std::path::PathBuf;

use clap::Args;
use ternlet::output_file::{OutputFile, refuse_input};
use ternlet_runtime::Row;

use crate::error::Error;
use crate::ids::{IdsNeeded, read_ids};
use crate::npy::NpyWriter;
use crate::open::{Gives, HeadPath, Needs, RunFlags, with_session};
use crate::output::out;
use crate::progress;

/// Flags of `perplexity`.
#[derive(Debug, Args)]
pub(crate) struct PerplexityArgs {
    /// Packed model
    file: PathBuf,
    /// JSON array of token ids
    #[arg(long, value_name = "IDS.json")]
    ids_file: PathBuf,
    /// Write the negative log-likelihood of positions 1.. here: npy, f32 [tokens - 1]
    #[arg(long, value_name = "NLL.npy")]
    out: Option<PathBuf>,
    #[command(flatten)]
    run: RunFlags,
}

/// Rows of one pass.
const BATCH: u32 = 32;

/// Runs the command.
pub(crate) fn run(args: &PerplexityArgs) -> Result<(), Error> {
    if let Some(path) = &args.out {
        refuse_input(path, &[&args.file, &args.ids_file])?;
    }
    // The first id is given; the others are predicted.
    let needed = IdsNeeded { min: 2, n_more: 0 };
    let ids = read_ids(&args.ids_file, &args.file, needed)?;
    let context = Some(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    let needs = Needs {
        gives: Gives::Logits,
        context,
        max_batch: BATCH,
        max_logit_rows: BATCH,
        max_prompt_bytes: 0,
        head: HeadPath::Full,
    };
    let nll = with_session(Some(&args.file), &args.run, needs, |mut session| {
        let vocab_size = session.model().config().vocab_size as usize;
        let bar = progress::bar(ids.len() as u64, "tokens");
        let mut nll = Vec::with_capacity(ids.len());
        let mut pos = 0;
        for batch in ids.chunks(BATCH as usize) {
            let rows: Vec<Row> = (pos..)
                .zip(batch)
                .map(|(pos, &token_id)| Row { slot: 0, pos, token_id, wants_logits: true })
                .collect();
            let logits =
                session.transformer().forward(&rows).map_err(|e| Error::new(args.ids_file.display(), e))?;
            for logits in logits.chunks_exact(vocab_size) {
                pos += 1;
                if let Some(&next) = ids.get(pos as usize) {
                    nll.push(negative_log_likelihood(logits, next as usize));
                }
            }
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        Ok(nll)
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a count of tokens is far below 2^53")]
    let mean = nll.iter().sum::<f64>() / nll.len() as f64;
    if let Some(path) = &args.out {
        let output = OutputFile::create_or_stream(path)?;
        let write_error = |e| output.error(&e);
        let mut npy = NpyWriter::new(BufWriter::new(output.file()), &[nll.len()]).map_err(write_error)?;
        #[expect(clippy::cast_possible_truncation, reason = "the file holds f32")]
        let values: Vec<f32> = nll.iter().map(|v| *v as f32).collect();
        npy.write(&values).map_err(write_error)?;
        npy.finish().map_err(write_error)?;
        output.publish()?;
    }
    out(format_args!("tokens: {}\nmean_nll: {mean:.9}\nperplexity: {:.6}\n", nll.len(), mean.exp()))
}

/// `-ln softmax(logits)[id]`, in f64.
fn negative_log_likelihood(logits: &[f32], id: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|v| f64::from(v - largest).exp()).sum();
    sum.ln() - f64::from(logits[id] - largest)
}
