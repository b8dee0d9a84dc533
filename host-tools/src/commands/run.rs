//! `ternlet run`: continue one prompt

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use ternlet_runtime::{OutputHash, Sampler, Session, StreamDecoder};

use crate::error::Error;
use crate::open::{Gives, HeadFlags, LookupFlag, Needs, RunFlags, display_name, with_session};
use crate::output::{note, out};
use crate::prompt_cache::PromptCache;
use crate::sampling::SamplingFlags;
use crate::text::encode_prompt;

/// Flags of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Packed model
    file: PathBuf,
    /// Text to continue; special tokens written in it count as such
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Tokens to generate at most
    #[arg(short, long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    n_tokens: u32,
    /// Positions to plan memory for [default: the model's maximum, at most 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    ctx: Option<u32>,
    /// Keep the prompt's keys and values in FILE, and start from what FILE has of them; made when absent
    #[arg(long, value_name = "FILE")]
    prompt_cache: Option<PathBuf>,
    #[command(flatten)]
    sampling: SamplingFlags,
    #[command(flatten)]
    lookup: LookupFlag,
    #[command(flatten)]
    head: HeadFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> Result<(), Error> {
    let path = Some(args.file.as_path());
    let needs = Needs {
        gives: Gives::Logits,
        context: args.ctx,
        max_batch: 32,
        max_logit_rows: args.lookup.logit_rows(),
        max_prompt_bytes: 0,
        head: args.head.head,
    };
    with_session(path, &args.run, needs, |mut session| {
        args.lookup.apply(&mut session)?;
        let ids = encode_prompt(&display_name(path), session.model(), &args.prompt)?;
        let context = session.plan().options().context;
        if ids.len() > context as usize {
            let max_seq_len = session.model().config().max_seq_len;
            let problem = format!("expected at most {context} tokens, the context, found {}", ids.len());
            let e = Error::new("--prompt", problem);
            return Err(match context < max_seq_len {
                true => e.hint(format_args!("shorten the prompt or raise --ctx, here at most {max_seq_len}")),
                false => e.hint("shorten the prompt: this model takes no more"),
            });
        }
        generate(&mut session, &ids, args)
    })
}

/// Prefills, streams the continuation, and ends with a line of figures on stderr.
fn generate(session: &mut Session<'_>, ids: &[u32], args: &RunArgs) -> Result<(), Error> {
    let name = args.file.display();
    let sampler = Sampler::new(args.sampling.over(&session.model().config().sampling))
        .map_err(|e| Error::new("sampling", e))?;
    let tokenizer = session.model().tokenizer().ok_or_else(|| Error::new(&name, "no tokenizer"))?;
    let mut cache =
        args.prompt_cache.as_deref().map(|path| PromptCache::new(path, &args.file)).transpose()?;
    session.prepare_for(&sampler);
    let start = Instant::now();
    let n_restored = cache.as_mut().map_or(Ok(0), |cache| cache.restore(session, ids))?;
    let pending = &ids[n_restored as usize..];
    let restore_s = start.elapsed().as_secs_f64();
    session.prefill(pending, |_| true).map_err(|e| Error::new(&name, e))?;
    let first_logits_s = start.elapsed().as_secs_f64();
    if let Some(cache) = &cache {
        cache.keep(session, ids.len());
    }

    let start = Instant::now();
    let mut hash = OutputHash::new();
    let mut decoder = StreamDecoder::new(&tokenizer);
    let mut n_decoded = 0u32;
    loop {
        let id = session.sample(&sampler, &mut hash);
        n_decoded += 1;
        if session.model().config().eos_token_ids.contains(&id) {
            break;
        }
        if !tokenizer.is_special(id) {
            show(|out| decoder.push(id, out))?;
        }
        if n_decoded == args.n_tokens || session.n_cached() == session.plan().options().context {
            break;
        }
        session.append(id).map_err(|e| Error::new(&name, e))?;
    }
    show(|out| decoder.finish(out))?;
    out(format_args!("\n"))?;
    stdout().flush().map_err(|e| Error::new("stdout", e))?;
    #[expect(clippy::cast_precision_loss, reason = "a prompt is far below 2^53 tokens")]
    let prefill_tok_per_s = pending.len() as f64 / (first_logits_s - restore_s);
    let restored = match n_restored {
        0 => String::new(),
        n => format!("{n} restored in {restore_s:.3} s, "),
    };
    note(format_args!(
        "{restored}{} prompt tokens at {prefill_tok_per_s:.1} tok/s, first token after {first_logits_s:.3} s, \
         {n_decoded} tokens at {:.1} tok/s, {:.2} tokens per pass, {}, \
         {} threads, \
         {hash}",
        pending.len(),
        f64::from(n_decoded) / start.elapsed().as_secs_f64(),
        session.decode_counts().tokens_per_pass(),
        session.kernels().name(),
        session.plan().options().n_workers,
    ));
    Ok(())
}

/// Prints each piece of text that `decode` gives; the first error wins.
fn show(decode: impl FnOnce(&mut dyn FnMut(&str))) -> Result<(), Error> {
    let mut outcome = Ok(());
    decode(&mut |text| {
        if outcome.is_ok() {
            outcome = out(format_args!("{text}"));
        }
    });
    outcome
}
