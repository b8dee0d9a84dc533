//! `ternlet render`: what a chat template makes of a conversation, as text or as ids

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use ternlet::import::chat_template::{Messages, TokenNames};
use ternlet::import::tokenizer_file;
use ternlet_runtime::tokenizer::nfc;
use ternlet_runtime::{Model, ModelFile, Specials, Tokenizer};

use crate::error::Error;
use crate::output::out;

/// Flags of `render`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["file", "template"])))]
pub(crate) struct RenderArgs {
    /// Packed model, whose compiled template is replayed
    file: Option<PathBuf>,
    /// A Jinja template instead, rendered as transformers does
    #[arg(long, value_name = "FILE.jinja")]
    template: Option<PathBuf>,
    /// The conversation: a JSON list of messages, each with a role and a content; - for stdin
    #[arg(long, value_name = "FILE.json")]
    messages: PathBuf,
    /// Leave out the words that ask for an answer
    #[arg(long)]
    no_generation_prompt: bool,
    /// What the template's variable `bos_token` holds
    #[arg(long, value_name = "TOKEN", conflicts_with = "file")]
    bos_token: Option<String>,
    /// What the template's variable `eos_token` holds
    #[arg(long, value_name = "TOKEN", conflicts_with = "file")]
    eos_token: Option<String>,
    /// Print the ids of the text, special tokens recognised and none added, as a JSON list
    #[arg(long)]
    ids: bool,
    /// What turns the text of a template into ids: tokenizer.json or its like
    #[arg(long, value_name = "FILE", conflicts_with = "file", requires = "ids")]
    tokenizer: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &RenderArgs) -> Result<(), Error> {
    render(args).map_err(|e| e.during("render"))
}

fn render(args: &RenderArgs) -> Result<(), Error> {
    let messages = read_messages(&args.messages)?;
    let asks = !args.no_generation_prompt;
    match (&args.file, &args.template) {
        (Some(path), _) => replay(path, &messages, asks, args.ids),
        (None, Some(path)) => {
            let source = fs::read_to_string(path).map_err(|e| Error::unreadable(path.display(), &e))?;
            let names =
                TokenNames { bos_token: args.bos_token.as_deref(), eos_token: args.eos_token.as_deref() };
            let text = messages.render(&source, names, asks).map_err(|reason| {
                Error::new(
                    path.display(),
                    format!("expected a template that takes the conversation, found that {reason}"),
                )
            })?;
            match (&args.tokenizer, args.ids) {
                (_, false) => out(format_args!("{text}")),
                (Some(path), true) => {
                    let section = tokenizer_file::read_file(path)?;
                    let tokenizer = Tokenizer::parse(&section).map_err(|e| Error::new(path.display(), e))?;
                    print_ids(&tokenizer, &text)
                }
                (None, true) => {
                    Err(Error::new("--ids", "expected a tokenizer for the template's text, found none")
                        .hint("--tokenizer tokenizer.json"))
                }
            }
        }
        // The command line demands one of the two.
        (None, None) => Err(Error::new("render", "expected a packed model or --template, found neither")),
    }
}

/// Replays the compiled template of the model at `path`.
fn replay(path: &Path, messages: &Messages, asks: bool, ids: bool) -> Result<(), Error> {
    let file = ModelFile::open(path).map_err(|e| Error::unreadable(path.display(), &e))?;
    let model = Model::parse(file.bytes())
        .map_err(|e| Error::new(path.display(), e).hint("a Jinja template is given with --template"))?;
    let (Some(template), Some(tokenizer)) = (model.chat_template(), model.tokenizer()) else {
        return Err(Error::new(path.display(), "expected a chat template in the model, found none")
            .hint("pack it with --chat-template, or give one with --template"));
    };
    let text =
        messages.replay(&template, &tokenizer, asks).map_err(|problem| Error::new("--messages", problem))?;
    if ids { print_ids(&tokenizer, &text) } else { out(format_args!("{text}")) }
}

fn read_messages(path: &Path) -> Result<Messages, Error> {
    let (name, json) = if path == Path::new("-") {
        let mut json = Vec::new();
        ("stdin".into(), io::stdin().lock().read_to_end(&mut json).map(|_| json))
    } else {
        (path.display().to_string(), fs::read(path))
    };
    let json = json.map_err(|e| Error::unreadable(&name, &e))?;
    Messages::read(&json).map_err(|problem| Error::new(&name, problem))
}

/// The ids of `text` on one line, as `apply_chat_template` of transformers has them: nothing is added to the template's
/// own text, and special tokens are recognised wherever they stand.
fn print_ids(tokenizer: &Tokenizer<'_>, text: &str) -> Result<(), Error> {
    let mut scratch = vec![0; Tokenizer::scratch_len(nfc::MAX_EXPANSION * text.len())];
    let mut ids: Vec<u32> = Vec::new();
    let mut push = |id| {
        ids.push(id);
        Ok(())
    };
    tokenizer
        .encode(text, Specials::Recognise, &mut scratch, &mut push)
        .map_err(|e| Error::new("tokenizer", e))?;
    out(format_args!("{}\n", serde_json::Value::from(ids)))
}
