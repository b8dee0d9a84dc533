//! `ternlet tokenize`: text to token ids and back, a line at a time

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::DeserializeOwned;
use ternlet::import::tokenizer_file;
use ternlet_runtime::format::MAGIC;
use ternlet_runtime::tokenizer::nfc;
use ternlet_runtime::{Specials, Tokenizer};

use crate::error::Error;
use crate::open::with_model;
use crate::output::{note, out};

/// Flags of `tokenize`.
#[derive(Debug, Args)]
pub(crate) struct TokenizeArgs {
    /// Packed model, tokenizer.json, or tokenizer.model: a rank file or a SentencePiece model
    file: PathBuf,
    /// Leave out the ids that the tokenizer puts around a text; special tokens written in the text stay tokens
    #[arg(long)]
    no_special: bool,
    /// Arrays of ids in, strings out
    #[arg(long)]
    decode: bool,
    /// Leave special tokens out of the decoded text
    #[arg(long, requires = "decode")]
    skip_special: bool,
}

/// Reads JSON lines from stdin, a string or an array of ids each, and writes the other kind to stdout.
///
/// A line that is neither is reported on stderr with its number; the others are still answered, and the outcome is an
/// error.
pub(crate) fn run(args: &TokenizeArgs) -> Result<(), Error> {
    with_section(&args.file, |section| {
        let tokenizer = Tokenizer::parse(section).map_err(|e| Error::new(args.file.display(), e))?;
        if args.decode {
            each_line("a JSON array of token ids", |ids: Vec<u32>| {
                decode(&tokenizer, &ids, args.skip_special)
            })
        } else {
            each_line("a JSON string", |text: String| encode(&tokenizer, &text, !args.no_special))
        }
    })
}

/// Hands `body` the TOKENIZER section that `path` holds or describes.
fn with_section(path: &Path, body: impl FnOnce(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start))
        .map_err(|e| Error::unreadable(path.display(), &e))?;
    if start != MAGIC {
        return body(&tokenizer_file::read_file(path)?);
    }
    with_model(Some(path), |model| match model.tokenizer_bytes() {
        Some(section) => body(section),
        None => Err(Error::new(path.display(), "expected a tokenizer in the model, found none")
            .hint("pack it again with a tokenizer.json beside the checkpoint")),
    })
}

/// Answers every line of stdin that is a `T`; fails at the end if one was not.
fn each_line<T: DeserializeOwned>(
    expected: &str,
    answer: impl Fn(T) -> serde_json::Value,
) -> Result<(), Error> {
    let mut n_bad = 0;
    for (line, number) in io::stdin().lock().split(b'\n').zip(1u64..) {
        let line = line.map_err(|e| Error::new("stdin", e))?;
        match serde_json::from_slice(&line) {
            Ok(value) => out(format_args!("{}\n", one_line(&answer(value))))?,
            Err(e) => {
                n_bad += 1;
                // Every line is line 1 to the parser.
                let found = e.to_string().replace(" line 1", "");
                let problem = format!("expected {expected}, found: {found}");
                note(Error::new(format!("stdin line {number}"), problem));
            }
        }
    }
    match n_bad {
        0 => Ok(()),
        n => Err(Error::new("stdin", format!("expected {expected} on each line, found {n} others"))),
    }
}

/// JSON without characters that some readers take for the end of a line.
fn one_line(value: &serde_json::Value) -> String {
    let json = value.to_string();
    json.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn encode(tokenizer: &Tokenizer<'_>, text: &str, with_affixes: bool) -> serde_json::Value {
    let mut scratch = vec![0; Tokenizer::scratch_len(nfc::MAX_EXPANSION * text.len())];
    let mut ids: Vec<u32> = Vec::new();
    if with_affixes {
        ids.extend(tokenizer.prefix_ids());
    }
    let mut push = |id| {
        ids.push(id);
        Ok(())
    };
    tokenizer
        .encode(text, Specials::Recognise, &mut scratch, &mut push)
        .expect("scratch for a text of one word, and a sink that grows");
    if with_affixes {
        ids.extend(tokenizer.suffix_ids());
    }
    ids.into()
}

fn decode(tokenizer: &Tokenizer<'_>, ids: &[u32], skip_special: bool) -> serde_json::Value {
    let mut text = String::new();
    tokenizer.decode(ids, skip_special, &mut |piece| text.push_str(piece));
    text.into()
}
