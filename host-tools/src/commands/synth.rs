//! `ternlet synth`: a packed model of a given shape with random weights

use std::path::{Path, PathBuf};

use clap::Args;
use ternlet::import::hf_config::HfConfig;
use ternlet::pack::RopeScaling;
use ternlet::pack::synth::{Synth, shape_2b4t, shape_125m};
use ternlet_runtime::Config;

use super::pack::{HeadFlag, write};
use crate::error::Error;

/// Flags of `synth`.
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// 2b4t, 125m, or the config.json of a ternary Hugging Face checkpoint
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
        let (config, rope_scaling) = shape(&args.shape)?;
        let source = Synth::new(config, args.seed).with_rope_scaling(rope_scaling);
        write(&source, None, None, args.head.into(), &args.output)
    };
    written().map_err(|e| e.during("synth"))
}

/// A shape by name or from a file.
fn shape(text: &str) -> Result<(Config, RopeScaling), Error> {
    match text {
        "2b4t" => Ok((shape_2b4t(), RopeScaling::None)),
        "125m" => Ok((shape_125m(), RopeScaling::None)),
        path if Path::new(path).exists() => {
            let read = HfConfig::read(Path::new(path), "synth")?;
            Ok((read.config, read.rope_scaling))
        }
        other => Err(Error::new("--shape", format!("expected 2b4t, 125m or a config.json, found {other}"))),
    }
}
