//! `ternlet embed`: texts to vectors, a JSON line each
//!
//! A vector is an embedding model's final state at the text's last token, of length 1. Its numbers have as many digits
//! as tell one f32 from every other: equal lines are equal bits.

use std::io::{self, BufRead as _};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use ternlet_runtime::{Session, Specials, Tokenizer};

use crate::error::Error;
use crate::ids::{IdsNeeded, read_ids};
use crate::open::{Gives, HeadPath, Needs, RunFlags, display_name, with_session};
use crate::output::{note, out};
use crate::text::{encode, tokenizer_of};

/// Flags of `embed`.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// Packed embedding model
    file: PathBuf,
    /// Text to embed, may be given again [default: each line of stdin]; special tokens written in it count as such
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,
    /// JSON array of token ids to embed instead, just as they are
    #[arg(long, value_name = "IDS.json", conflicts_with = "text")]
    ids_file: Option<PathBuf>,
    /// Positions to plan memory for [default: the model's maximum, at most 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    ctx: Option<u32>,
    #[command(flatten)]
    run: RunFlags,
}

/// One line of output.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    /// Which line of stdin, or which `--text`, from 1 on.
    input: usize,
    n_tokens: usize,
    embedding: &'a [f32],
}

/// Runs the command.
pub(crate) fn run(args: &EmbedArgs) -> Result<(), Error> {
    let path = Some(args.file.as_path());
    let ids = match &args.ids_file {
        Some(ids_file) => Some(read_ids(ids_file, &args.file, IdsNeeded { min: 1, n_more: 0 })?),
        None => None,
    };
    let n_ids = ids.as_ref().and_then(|ids| u32::try_from(ids.len()).ok());
    let needs = Needs {
        gives: Gives::Embeddings,
        context: args.ctx.or(n_ids),
        max_batch: 32,
        max_logit_rows: 1,
        max_prompt_bytes: 0,
        head: HeadPath::Full,
    };
    with_session(path, &args.run, needs, |mut session| {
        if let Some(ids) = &ids {
            return answer(&mut session, "--ids-file", 1, ids);
        }
        let tokenizer = tokenizer_of(&display_name(path), session.model())?;
        let embed = |object: &str, input: usize, text: &[u8]| {
            let ids = ids_of(&tokenizer, object, text)?;
            answer(&mut session, object, input, &ids)
        };
        match args.text.is_empty() {
            false => {
                let texts = args.text.iter().map(|text| Ok(text.clone().into_bytes()));
                each("--text", texts, embed)
            }
            true => each("stdin line", io::stdin().lock().split(b'\n'), embed),
        }
    })
}

/// Answers every text. One that cannot be is reported on stderr, the others are still answered, and the outcome is an
/// error.
fn each(
    kind: &str,
    texts: impl Iterator<Item = io::Result<Vec<u8>>>,
    mut embed: impl FnMut(&str, usize, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut n_bad = 0;
    for (text, input) in texts.zip(1..) {
        let text = text.map_err(|e| Error::new("stdin", e))?;
        if let Err(e) = embed(&format!("{kind} {input}"), input, &text) {
            n_bad += 1;
            note(e);
        }
    }
    match n_bad {
        0 => Ok(()),
        n => Err(Error::new("embed", format!("{n} of the texts failed, see above"))),
    }
}

/// The ids that the model takes for `text`: with what its tokenizer puts around a text.
fn ids_of(tokenizer: &Tokenizer<'_>, object: &str, text: &[u8]) -> Result<Vec<u32>, Error> {
    // A line of a file from another system ends in both characters.
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = str::from_utf8(text).map_err(|e| {
        Error::new(object, format!("expected UTF-8, found another byte at {}", e.valid_up_to()))
    })?;
    let mut ids: Vec<u32> = tokenizer.prefix_ids().collect();
    ids.extend(encode(tokenizer, text, Specials::Recognise)?);
    ids.extend(tokenizer.suffix_ids());
    Ok(ids)
}

/// Embeds `ids` and writes the line.
fn answer(session: &mut Session<'_>, object: &str, input: usize, ids: &[u32]) -> Result<(), Error> {
    let (context, max_seq_len) = (session.plan().options().context, session.model().config().max_seq_len);
    if ids.len() > context as usize {
        let problem = format!("expected at most {context} tokens, the context, found {}", ids.len());
        return Err(Error::new(object, problem).hint(match context < max_seq_len {
            true => format!("shorten the text or raise --ctx, here at most {max_seq_len}"),
            false => "shorten the text: this model takes no more".into(),
        }));
    }
    let embedding = session.embed(ids).map_err(|e| Error::new(object, e))?;
    let line = serde_json::to_string(&Answer { input, n_tokens: ids.len(), embedding })
        .map_err(|e| Error::new(object, e))?;
    out(format_args!("{line}\n"))
}
