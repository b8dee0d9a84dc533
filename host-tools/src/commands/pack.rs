//! `ternlet pack`: a checkpoint becomes one file that a device uses in place

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ternlet::import::bitnet::Bitnet;
use ternlet::import::{chat_template, tokenizer_file};
use ternlet::pack::{HeadForm, PackRequest, Source, pack};
use ternlet_runtime::Tokenizer;

use crate::error::Error;
use crate::output::out;
use crate::progress::byte_bar;

/// How the output head is stored, as a flag.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum HeadFlag {
    /// As the checkpoint has it (bf16, f16 or f32): exact.
    Source,
    /// One byte a weight, one scale a row; includes a tied embedding.
    Int8,
}

impl From<HeadFlag> for HeadForm {
    fn from(head: HeadFlag) -> Self {
        match head {
            HeadFlag::Source => Self::Source,
            HeadFlag::Int8 => Self::Int8,
        }
    }
}

/// Flags of `pack`.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// Folder of a Hugging Face checkpoint: config.json, model.safetensors (or shards), tokenizer.json
    source: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How the output head is stored
    #[arg(long, value_enum, default_value = "source")]
    head: HeadFlag,
    /// Leave the tokenizer out; the file then works on ids only
    #[arg(long)]
    no_tokenizer: bool,
    /// What to call the model [default: the folder's name]
    #[arg(long)]
    name: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &PackArgs) -> Result<(), Error> {
    let packed = || {
        let directory = checkpoint_directory(&args.source)?;
        let name = args.name.clone().unwrap_or_else(|| folder_name(&directory));
        let source = Bitnet::open(&directory, &name)?;
        let tokenizer = match args.no_tokenizer {
            true => None,
            false => tokenizer_file::read_directory(&directory)
                .map_err(|e| e.hint("--no-tokenizer packs the weights alone, to be run on ids"))?,
        };
        let chat_template = match &tokenizer {
            Some(section) => chat_template_section(&directory, section)?,
            None if args.no_tokenizer => None,
            None => {
                eprintln!(
                    "ternlet: pack: {name}: no tokenizer beside the weights; the file works on ids only"
                );
                None
            }
        };
        write(&source, tokenizer, chat_template, args.head.into(), &args.output)
    };
    packed().map_err(|e| e.during("pack"))
}

/// The compiled chat template. One that does not reduce is no reason to refuse the weights: a warning says why.
fn chat_template_section(directory: &Path, tokenizer: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let tokenizer = Tokenizer::parse(tokenizer).map_err(|e| Error::new("tokenizer", e))?;
    Ok(chat_template::read_directory(directory, &tokenizer).unwrap_or_else(|e| {
        eprintln!("{}", e.during("pack").hint("the file is packed without a chat template"));
        None
    }))
}

/// Packs `source` with a progress bar and says what was written.
pub(crate) fn write(
    source: &dyn Source,
    tokenizer: Option<Vec<u8>>,
    chat_template: Option<Vec<u8>>,
    head: HeadForm,
    target: &Path,
) -> Result<(), Error> {
    let bar = byte_bar();
    let request = PackRequest { source, tokenizer, chat_template, head, target };
    let written = pack(request, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    out(format_args!("{}: {} bytes\n", target.display(), written?))
}

/// The folder of the checkpoint; a weights file inside it will do as well.
fn checkpoint_directory(source: &Path) -> Result<PathBuf, Error> {
    if source.is_dir() {
        return Ok(source.into());
    }
    match source.parent() {
        Some(parent) if source.extension().is_some_and(|e| e == "safetensors") && source.exists() => {
            Ok(if parent.as_os_str().is_empty() { ".".into() } else { parent.into() })
        }
        _ => Err(Error::new(source.display(), "expected the folder of a checkpoint, found none")
            .hint("SOURCE is the folder of a Hugging Face checkpoint: config.json, model.safetensors, tokenizer.json")),
    }
}

/// The last part of the folder's real path.
fn folder_name(directory: &Path) -> String {
    let path = directory.canonicalize().unwrap_or_else(|_| directory.into());
    path.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned())
}
