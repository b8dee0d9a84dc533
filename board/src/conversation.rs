//! How a board talks: the model's own sampling, on a line that a person types on

use ternlet_runtime::{Config, ConsoleOptions, SamplerOptions};

/// Longest answer, in tokens; `/set tokens N` changes it.
const MAX_ANSWER_TOKENS: u32 = 512;

/// The console of a model on a UART or raw terminal (`is_interactive`), or in a pipe.
///
/// Samples as the model's authors do, from seed 0: the same prompts give the same answers.
#[must_use]
pub fn console_options(config: &Config, is_interactive: bool) -> ConsoleOptions {
    let sampling = &config.sampling;
    let sampler = if sampling.do_sample {
        SamplerOptions {
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            seed: 0,
        }
    } else {
        SamplerOptions::GREEDY
    };
    let newline = if is_interactive { "\r\n" } else { "\n" };
    ConsoleOptions { interactive: is_interactive, newline, sampler, max_answer_tokens: MAX_ANSWER_TOKENS }
}
