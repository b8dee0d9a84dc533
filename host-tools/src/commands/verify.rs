//! `ternlet verify`: is every byte of a model file what a packer would write?

use std::path::PathBuf;

use clap::Args;

use crate::error::Error;
use crate::open::with_model;
use crate::output::out;
use crate::progress::bar;

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Packed model [default: the shipped one]
    file: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs) -> Result<(), Error> {
    let path = args.file.as_deref();
    let damaged = |e| {
        Error::new(crate::open::display_name(path), e)
            .hint("the file is damaged: copy it again, or pack it again with: ternlet pack SOURCE -o FILE")
    };
    let verified = with_model(path, |model| {
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
        out(format_args!(
            "{}: {} bytes, {} checksums, {n_tensors} tensors: all as packed (file id {:016x})\n",
            crate::open::display_name(path),
            model.file_bytes(),
            model.n_chunks(),
            model.file_id(),
        ))
    });
    verified.map_err(|e| e.during("verify"))
}
