//! Sampling flags over a model's own defaults

use clap::Args;
use ternlet_runtime::{SamplerOptions, SamplingDefaults};

/// Flags of every command that samples.
#[derive(Debug, Clone, Args)]
pub(crate) struct SamplingFlags {
    /// Divides the logits; 0 is greedy [default: the model's]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Keep the K most likely tokens; 0 keeps all [default: the model's]
    #[arg(long, value_name = "K")]
    top_k: Option<u32>,
    /// Keep the most likely tokens up to this probability [default: the model's]
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Key of the random draws; the same seed gives the same text
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
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
