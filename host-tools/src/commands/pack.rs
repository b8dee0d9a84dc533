//! `ternlet pack`: a checkpoint becomes one file that a device uses in place

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ternlet::hub::Resolved;
use ternlet::import::chat_template::{ChatChoice, Chosen};
use ternlet::import::foreign_model::{ForeignModel, ImportOptions, WAY_OUT};
use ternlet::import::gguf::I2sOrder;
use ternlet::output_file::{OutputFile, refuse_input};
use ternlet::pack::{HeadForm, PackRequest, pack};
use ternlet_runtime::Tokenizer;
use ternlet_runtime::format::MAGIC;

use crate::error::Error;
use crate::layout_flags::LayoutFlags;
use crate::output::{note, out};
use crate::progress::byte_bar;
use crate::source::fetch;

/// How the output head is stored, as a flag.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum HeadFlag {
    /// As the checkpoint has it (bf16, f16 or f32): exact.
    Source,
    /// One byte a weight, one scale a row; includes a tied embedding. In two planes: greedy and top-k sampling read
    /// five eighths of it.
    Int8,
    /// The same in one plane.
    Int8Whole,
}

impl From<HeadFlag> for HeadForm {
    fn from(head: HeadFlag) -> Self {
        match head {
            HeadFlag::Source => Self::Source,
            HeadFlag::Int8 => Self::Int8,
            HeadFlag::Int8Whole => Self::Int8Whole,
        }
    }
}

/// How `I2_S` tensors are laid out, as a flag.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum I2sFlag {
    /// Blocks of 128 weights: every published file.
    #[value(name = "128")]
    Blocks128,
    /// Blocks of 64 weights: quantised by bitnet.cpp on Arm since November 2025.
    #[value(name = "64")]
    Blocks64,
    /// Four rows side by side: quantised by bitnet.cpp on x86 without its parallel-rows option.
    #[value(name = "rows")]
    FourRows,
}

impl From<I2sFlag> for I2sOrder {
    fn from(order: I2sFlag) -> Self {
        match order {
            I2sFlag::Blocks128 => Self::Blocks128,
            I2sFlag::Blocks64 => Self::Blocks64,
            I2sFlag::FourRows => Self::FourRows,
        }
    }
}

/// Flags of `pack`.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// A .gguf file, the folder of a Hugging Face checkpoint (config.json, model.safetensors or shards,
    /// tokenizer.json), or a model on the hub: hf:org/name, with @revision or :file.gguf after it
    source: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How the output head is stored
    #[arg(long, value_enum, default_value = "source")]
    head: HeadFlag,
    #[command(flatten)]
    layouts: LayoutFlags,
    /// Leave the tokenizer out; the file then works on ids only
    #[arg(long)]
    no_tokenizer: bool,
    /// The chat template: a Jinja file, the name of one that comes with ternlet (bitnet-2b-4t, chatml, llama3), or none
    /// [default: the model's own]
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "no_tokenizer")]
    chat_template: Option<String>,
    /// A system message to store prefilled: conversations start with it, and a device need not compute it
    #[arg(long, value_name = "TEXT", conflicts_with = "no_tokenizer")]
    system: Option<String>,
    /// What to call the model [default: its name on the hub, in the GGUF, or the folder's]
    #[arg(long)]
    name: Option<String>,
    /// How `I2_S` tensors of a GGUF are laid out, which files do not say
    #[arg(long, value_enum, value_name = "ORDER")]
    i2s_order: Option<I2sFlag>,
}

/// Runs the command.
pub(crate) fn run(args: &PackArgs) -> Result<(), Error> {
    pack_foreign(args).map_err(|e| e.during("pack"))
}

fn pack_foreign(args: &PackArgs) -> Result<(), Error> {
    // An output that cannot be is told before gigabytes are fetched for it.
    drop(OutputFile::create(&args.output)?);
    let Resolved { path, name } = fetch(&args.source)?;
    refuse_source_file(&path, &args.output)?;
    let options = ImportOptions {
        name: args.name.as_deref().or(name.as_deref()),
        no_tokenizer: args.no_tokenizer,
        i2s_order: args.i2s_order.map(I2sOrder::from),
    };
    let model = ForeignModel::open(&path, &options)?;
    let mut warnings = model.warnings;
    let choice = args.chat_template.as_deref().map_or_else(ChatChoice::default, ChatChoice::named);
    let chosen = match &model.tokenizer {
        Some(section) => {
            let config = model.weights.config();
            let tokenizer = checked(section, config.vocab_size)?;
            choice.compile(&model.chat.unwrap_or_default(), config, &tokenizer)?
        }
        None if matches!(choice, ChatChoice::Own | ChatChoice::Nothing) => Chosen::default(),
        None => {
            let problem = "expected a model with a tokenizer, which a template is compiled for, found none";
            return Err(Error::new("--chat-template", problem));
        }
    };
    warnings.extend(chosen.note);
    let layouts = args.layouts.layouts(model.weights.config().hidden_act)?;
    let request = PackRequest {
        tokenizer: model.tokenizer,
        chat_template: chosen.section,
        system: args.system.as_deref(),
        layouts,
        ..PackRequest::weights(&*model.weights, args.head.into(), &args.output)
    };
    write(request).map_err(|e| e.or_hint(WAY_OUT))?;
    // What a file lacks matters once there is a file.
    for warning in warnings {
        note(format_args!("ternlet: pack: {warning}"));
    }
    Ok(())
}

/// The tokenizer of a section, which may not have more ids than the model.
fn checked(section: &[u8], vocab_size: u32) -> Result<Tokenizer<'_>, Error> {
    let tokenizer = Tokenizer::parse(section).map_err(|e| Error::new("tokenizer", e))?;
    let found = tokenizer.vocab_size();
    if found <= vocab_size {
        return Ok(tokenizer);
    }
    Err(Error::new(
        "tokenizer",
        format!("expected at most {vocab_size} ids, the model's vocabulary, found {found}"),
    )
    .hint("the tokenizer is another model's; --no-tokenizer packs the weights alone, to be run on ids"))
}

/// Packs with a progress bar and says what was written.
pub(crate) fn write(request: PackRequest<'_>) -> Result<(), Error> {
    let bar = byte_bar();
    let target = request.target;
    let written = pack(request, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    out(format_args!("{}: {} bytes\n", target.display(), written?))
}

/// A checkpoint's own file is no place for the output; a model packed there earlier is.
fn refuse_source_file(source: &Path, output: &Path) -> Result<(), Error> {
    let is_model = |path: &Path| {
        let mut start = [0; MAGIC.len()];
        File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == MAGIC
    };
    let files = ForeignModel::files(source);
    let sources: Vec<&Path> = files.iter().map(PathBuf::as_path).filter(|path| !is_model(path)).collect();
    refuse_input(output, &sources)
}
