//! `ternlet synth`: a packed model of a given shape with random weights

use std::path::{Path, PathBuf};

use clap::Args;
use ternlet::import::hf_config::HfConfig;
use ternlet::pack::synth::{Synth, shape_2b4t, shape_125m};
use ternlet_runtime::Config;

use super::pack::{HeadFlag, write};
use crate::error::Error;

/// Flags of `synth`.
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// 2b4t, 125m, or a Hugging Face config.json of the bitnet kind
    #[arg(long, value_name = "SHAPE")]
    shape: String,
    /// The same seed gives the same file everywhere
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How the output head is stored; `source` is bf16
    #[arg(long, value_enum, default_value = "int8")]
    head: HeadFlag,
}

/// Runs the command.
pub(crate) fn run(args: &SynthArgs) -> Result<(), Error> {
    let written = || {
        let source = Synth::new(shape(&args.shape)?, args.seed);
        write(&source, None, None, args.head.into(), &args.output)
    };
    written().map_err(|e| e.during("synth"))
}

/// A shape by name or from a file.
fn shape(text: &str) -> Result<Config, Error> {
    match text {
        "2b4t" => Ok(shape_2b4t()),
        "125m" => Ok(shape_125m()),
        path if Path::new(path).exists() => Ok(HfConfig::read(Path::new(path), "synth")?.config),
        other => Err(Error::new("--shape", format!("expected 2b4t, 125m or a config.json, found {other}"))),
    }
}
