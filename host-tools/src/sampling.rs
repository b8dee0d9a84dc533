//! Sampling flags over a model's own defaults

use clap::Args;
use ternlet_runtime::{SamplerOptions, SamplingDefaults};

/// Flags of every command that samples.
#[derive(Debug, Clone, Args)]
pub(crate) struct SamplingFlags {
    /// Divides the logits; 0 is greedy [default: the model's]
    #[arg(long, value_name = "T", value_parser = parse_temperature)]
    temperature: Option<f32>,
    /// Keep the K most likely tokens; 0 keeps all [default: the model's]
    #[arg(long, value_name = "K")]
    top_k: Option<u32>,
    /// Keep the most likely tokens up to this probability [default: the model's]
    #[arg(long, value_name = "P", value_parser = parse_top_p)]
    top_p: Option<f32>,
    /// Key of the random draws; the same seed gives the same text
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// A temperature that [`Sampler`](ternlet_runtime::Sampler) takes.
fn parse_temperature(text: &str) -> Result<f32, String> {
    let in_range = |t: &f32| *t >= 0.0 && t.is_finite();
    text.parse().ok().filter(in_range).ok_or_else(|| "expected a number of 0 (greedy) or more".into())
}

/// A nucleus mass that [`Sampler`](ternlet_runtime::Sampler) takes.
fn parse_top_p(text: &str) -> Result<f32, String> {
    let in_range = |p: &f32| *p > 0.0 && *p <= 1.0;
    text.parse().ok().filter(in_range).ok_or_else(|| "expected a number above 0, at most 1".into())
}

impl SamplingFlags {
    /// The flags where given, the model's defaults elsewhere.
    pub(crate) fn over(&self, defaults: &SamplingDefaults) -> SamplerOptions {
        let temperature = if defaults.do_sample { defaults.temperature } else { 0.0 };
        SamplerOptions {
            temperature: self.temperature.unwrap_or(temperature),
            top_k: self.top_k.unwrap_or(defaults.top_k),
            top_p: self.top_p.unwrap_or(defaults.top_p),
            seed: self.seed,
        }
    }
}
