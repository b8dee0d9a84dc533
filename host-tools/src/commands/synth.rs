//! `ternlet synth`: a model of a given shape with random weights, for this program or its peers

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ternlet::export::gguf::{EmbeddingBlocks, GgufKind, write_gguf};
use ternlet::import::hf_config::HfConfig;
use ternlet::pack::synth::{Knobs, SHAPE_NAMES, Synth, shape};
use ternlet::pack::{PackRequest, RopeScaling};
use ternlet_runtime::Config;

use super::pack::{HeadFlag, write};
use crate::error::Error;
use crate::layout_flags::LayoutFlags;
use crate::output::out;

/// What kind of file to write, as a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatFlag {
    /// A packed model.
    Tern,
    /// For bitnet.cpp.
    #[value(name = "gguf-i2_s")]
    GgufI2S,
    /// For llama.cpp.
    #[value(name = "gguf-tq2_0")]
    GgufTq2_0,
}

/// Element type of a GGUF's embedding, as a flag.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum EmbeddingFlag {
    /// Two bytes a weight.
    F16,
    /// 6.5625 bits a weight.
    #[value(name = "q6_k")]
    Q6K,
}

/// Flags of `synth`.
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// 125m, 0.7b, 2b4t, 3b, 8b, or the config.json of a ternary Hugging Face checkpoint
    #[arg(long, value_name = "SHAPE")]
    shape: String,
    /// The same seed gives the same file everywhere, and the same random weights in every format
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A packed model, or a GGUF file for another program, with the same ternary weights; llama.cpp's layout rounds their scales to f16,
    /// and the embedding and head are as exact as their own formats
    #[arg(long, value_enum, default_value = "tern")]
    format: FormatFlag,
    /// How the output head of a packed model is stored; `source` is bf16
    #[arg(long, value_enum, default_value = "int8")]
    head: HeadFlag,
    #[command(flatten)]
    layouts: LayoutFlags,
    /// How a GGUF stores the embedding and head
    #[arg(long, value_enum, default_value = "f16")]
    gguf_embedding: EmbeddingFlag,
    /// Share of gates that relu2 makes zero, on average [default: a half, as chance has it]
    #[arg(long, value_name = "SHARE")]
    gate_zeros: Option<f32>,
    /// Share of `w_down`'s int8 inputs that are zero [default: what the gates leave, two thirds and more]
    #[arg(long, value_name = "SHARE")]
    down_zeros: Option<f32>,
    /// How far the top logit stands out, in standard deviations; such a model repeats its input [default: about 4.4]
    #[arg(long, value_name = "SD")]
    top_sd: Option<f32>,
}

/// Runs the command.
pub(crate) fn run(args: &SynthArgs) -> Result<(), Error> {
    synthesise(args).map_err(|e| e.during("synth"))
}

fn synthesise(args: &SynthArgs) -> Result<(), Error> {
    let (config, rope_scaling) = shape_of(&args.shape)?;
    let knobs = Knobs { gate_zeros: args.gate_zeros, down_zeros: args.down_zeros, top_sd: args.top_sd };
    let layouts = args.layouts.layouts(config.hidden_act)?;
    let source = Synth::new(config, args.seed).with_rope_scaling(rope_scaling).with_knobs(knobs)?;
    let kind = match args.format {
        FormatFlag::Tern => {
            return write(PackRequest {
                layouts,
                ..PackRequest::weights(&source, args.head.into(), &args.output)
            });
        }
        FormatFlag::GgufI2S => GgufKind::I2S,
        FormatFlag::GgufTq2_0 => GgufKind::Tq2_0,
    };
    let embedding = match args.gguf_embedding {
        EmbeddingFlag::F16 => EmbeddingBlocks::F16,
        EmbeddingFlag::Q6K => EmbeddingBlocks::Q6K,
    };
    let bytes = write_gguf(&source, kind, embedding, &args.output)?;
    out(format_args!("{}: {bytes} bytes\n", args.output.display()))
}

/// A shape by name or from a file.
fn shape_of(text: &str) -> Result<(Config, RopeScaling), Error> {
    if let Some(config) = shape(text) {
        return Ok((config, RopeScaling::None));
    }
    if Path::new(text).exists() {
        let read = HfConfig::read(Path::new(text), "synth")?;
        return Ok((read.config, read.rope_scaling));
    }
    let known = SHAPE_NAMES.join(", ");
    Err(Error::new("--shape", format!("expected {known} or a config.json, found {text}")))
}
