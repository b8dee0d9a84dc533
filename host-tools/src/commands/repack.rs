//! `ternlet repack`: a packed model in the layouts that another machine wants

use std::path::PathBuf;

use clap::Args;
use ternlet::pack::repack;

use crate::error::Error;
use crate::layout_flags::LayoutFlags;
use crate::open::{display_name, with_model};
use crate::output::out;
use crate::progress::byte_bar;

/// Flags of `repack`.
#[derive(Debug, Args)]
pub(crate) struct RepackArgs {
    /// Packed model; may be the output, too
    file: PathBuf,
    #[command(flatten)]
    layouts: LayoutFlags,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &RepackArgs) -> Result<(), Error> {
    let path = Some(args.file.as_path());
    let repacked = with_model(path, |model| {
        let layouts = args.layouts.layouts(model.config().hidden_act)?;
        let bar = byte_bar();
        let written = repack(&model, &display_name(path), &layouts, &args.output, &|done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let (before, after) = (model.file_bytes(), written?);
        out(format_args!("{}: {after} bytes, {} had {before}\n", args.output.display(), display_name(path)))
    });
    repacked.map_err(|e| e.during("repack"))
}
