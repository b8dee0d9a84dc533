//! `ternlet verify`: is every byte of a model file what a packer would write, and what its source says?

use std::path::{Path, PathBuf};

use clap::Args;
use ternlet::against::{Differences, compare};
use ternlet::hub::Resolved;
use ternlet::import::foreign_model::{ForeignModel, ImportOptions};
use ternlet::import::gguf::I2sOrder;
use ternlet_runtime::Model;

use super::pack::I2sFlag;
use crate::error::Error;
use crate::open::{display_name, with_model};
use crate::output::{note, out};
use crate::progress::bar;
use crate::source::fetch;

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Packed model [default: the shipped one]
    file: Option<PathBuf>,
    /// Compare every weight with the model that the file was packed from, and print what the matrices hold: a .gguf
    /// file, the folder of a checkpoint, or hf:org/name
    #[arg(long, value_name = "SOURCE")]
    against: Option<PathBuf>,
    /// How `I2_S` tensors of a GGUF source are laid out, as it was packed
    #[arg(long, value_enum, value_name = "ORDER", requires = "against")]
    i2s_order: Option<I2sFlag>,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs) -> Result<(), Error> {
    let path = args.file.as_deref();
    let verified = with_model(path, |model| {
        check_bytes(path, &model)?;
        match &args.against {
            None => Ok(()),
            Some(source) => check_against(path, &model, source, args.i2s_order.map(I2sOrder::from)),
        }
    });
    verified.map_err(|e| e.during("verify"))
}

/// Every checksum and every element.
fn check_bytes(path: Option<&Path>, model: &Model<'_>) -> Result<(), Error> {
    let damaged = |e| {
        Error::new(display_name(path), e)
            .hint("the file is damaged: copy it again, or pack it again with: ternlet pack SOURCE -o FILE")
    };
    let chunks = bar(model.n_chunks(), "MiB");
    for index in 0..model.n_chunks() {
        model.verify_chunk(index).map_err(damaged)?;
        chunks.inc(1);
    }
    chunks.finish_and_clear();
    let n_tensors = model.tensors().count();
    let tensors = bar(n_tensors as u64, "tensors");
    for (index, _) in (0..).zip(model.tensors()) {
        model.verify_tensor(index).map_err(damaged)?;
        tensors.inc(1);
    }
    tensors.finish_and_clear();
    model.verify_system().map_err(damaged)?;
    out(format_args!(
        "{}: {} bytes, {} checksums, {n_tensors} tensors: all as packed (file id {:016x})\n",
        display_name(path),
        model.file_bytes(),
        model.n_chunks(),
        model.file_id(),
    ))
}

/// Every weight, the configuration and the tokenizer.
fn check_against(
    path: Option<&Path>,
    model: &Model<'_>,
    source: &Path,
    i2s_order: Option<I2sOrder>,
) -> Result<(), Error> {
    let Resolved { path: source_path, .. } = fetch(source)?;
    let no_tokenizer = model.tokenizer_bytes().is_none();
    let options = ImportOptions { name: Some(&model.config().name), no_tokenizer, i2s_order };
    let foreign = ForeignModel::open(&source_path, &options)?;
    for warning in &foreign.warnings {
        note(format_args!("ternlet: verify: {warning}"));
    }
    let tensors = bar(model.tensors().count() as u64, "tensors");
    let (mut differences, statistics) =
        compare(model, &*foreign.weights, &|done| tensors.set_position(done))?;
    tensors.finish_and_clear();
    let tokenizer = match (model.tokenizer_bytes(), foreign.tokenizer.as_deref()) {
        (None, _) => "not packed",
        (found, expected) if found == expected => "equal",
        _ => {
            differences.add("tokenizer: another one".into());
            "another one"
        }
    };
    out(format_args!("{statistics}tokenizer: {tokenizer}\n"))?;
    let Differences { named, count } = differences;
    if count == 0 {
        return out(format_args!("equal to {}, every tensor bit for bit\n", source.display()));
    }
    named.iter().try_for_each(|line| out(format_args!("differs: {line}\n")))?;
    let problem =
        format!("expected the weights of {}, found {count} differences: {}", source.display(), named[0]);
    Err(Error::new(display_name(path), problem)
        .hint("pack it again with: ternlet pack SOURCE -o FILE, or name the source that it was packed from"))
}
