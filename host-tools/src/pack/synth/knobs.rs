//! What random weights do not show by themselves: dead neurons, and a token that stands out
//!
//! Random weights close half of the gates and leave two thirds of `w_down`'s inputs at zero, and their best logit stands
//! 4.4 standard deviations above the mean of 128256. Trained models differ, and speed follows: so a benchmark sets both.
//!
//! **Gates.** The residual stream keeps [`N_BIAS`] elements that no layer adds to (their rows of `wo` and `w_down` are
//! zero), equal for every token. The gates' rows are -1 there and `ffn_norm` brings the elements to a size that shifts
//! every gate by `t` standard deviations: a share of `Φ(t)` is negative. Other norms are zero there. Which gates close
//! depends on the token, as in a trained model.
//! **Inputs of `w_down`.** What gates leave is made zero by zeros in `ffn_sub_norm`: the same neurons for every token.
//! **The top logit.** Every layer adds noise of a known size to the embedding, which the head finds again: the larger
//! embeddings are, the further the token's own logit stands out. So such a model repeats its input.
//!
//! Shares hold on average, to about two points. All this needs sub-norms, under which layers add what is known.

use ternlet_runtime::Config;
use ternlet_runtime::config::HiddenAct;
use ternlet_runtime::format::{ExpectedTensor, Role};

use super::stream::Stream;
use super::width;
use crate::error::Error;

/// Elements of the residual stream that shift the gates: one block of every layout, so that rows stay easy to write.
pub(super) const N_BIAS: usize = 64;
/// Mean square of norm weights, which are 1 plus a tenth of a number uniform in [-1, 1).
const NORM_POWER: f32 = 1.0 + 0.01 / 3.0;
/// Share of the live neurons whose product rounds to int8 zero, by the share of gates at zero (simulated, 6912 neurons).
const ROUNDED: [(f32, f32); 7] =
    [(0.0, 0.15), (0.1, 0.20), (0.3, 0.29), (0.5, 0.35), (0.6, 0.36), (0.7, 0.37), (1.0, 0.38)];

/// What to set; `None` leaves it to chance.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Knobs {
    /// Share of gates that relu² makes zero, 0.05 to 0.98.
    pub gate_zeros: Option<f32>,
    /// Share of `w_down`'s int8 inputs that are zero, up to 0.99.
    pub down_zeros: Option<f32>,
    /// How many standard deviations the top logit stands above the mean, from 5.
    pub top_sd: Option<f32>,
}

/// What the knobs come to for one shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Whether no knob is set.
    is_plain: bool,
    /// Amplitude of an embedding's elements, which are uniform.
    embedding_amplitude: f32,
    /// Whether the head's final norm and rows are scaled for [`Knobs::top_sd`].
    stands_out: bool,
    /// Standard deviations that gates are shifted down by.
    gate_shift: Option<f32>,
    /// Share of zeros in `ffn_sub_norm`.
    dropped: f32,
}

impl Settings {
    /// Checks `knobs` against `config`.
    pub(super) fn new(config: &Config, knobs: Knobs) -> Result<Self, Error> {
        let dim = width(u64::from(config.dim));
        let plain = Self {
            is_plain: true,
            embedding_amplitude: 3.0 * (3.0 / dim).sqrt(),
            stands_out: false,
            gate_shift: None,
            dropped: 0.0,
        };
        if knobs == Knobs::default() {
            return Ok(plain);
        }
        if !config.has_sub_norms || config.pooling.is_some() || (config.dim as usize) < 4 * N_BIAS {
            let problem =
                "expected a shape with sub-norms, a head and at least 256 elements a token, found another";
            return Err(Error::new(config.name.as_str(), problem).hint("--shape 2b4t and 125m are such"));
        }
        let zeros = knobs.gate_zeros.or(knobs.down_zeros);
        if zeros.is_some() && config.hidden_act != HiddenAct::Relu2 {
            let problem = "expected a shape with relu2, whose gates can be zero, found silu";
            return Err(Error::new(config.name.as_str(), problem).hint("--shape 2b4t and 125m are such"));
        }
        let gate_shift = match knobs.gate_zeros {
            Some(share) if (0.05..=0.98).contains(&share) => Some(probit(share)),
            Some(share) => return Err(refusal("--gate-zeros", "0.05 to 0.98", share)),
            None => None,
        };
        let dropped = match knobs.down_zeros {
            Some(share) => dropped(knobs.gate_zeros.unwrap_or(0.5), share)?,
            None => 0.0,
        };
        let settings = Self { is_plain: false, gate_shift, dropped, ..plain };
        let Some(sd) = knobs.top_sd else { return Ok(settings) };
        let highest = dim.sqrt() / 3.0;
        if !(5.0..=highest).contains(&sd) {
            // Rounded down, so that what it names is taken.
            let range = format!("5.0 to {:.1}", (highest * 10.0).floor() / 10.0);
            return Err(refusal("--top-sd", &range, sd));
        }
        // A token's own logit: sqrt(dim) times the share of its embedding in the last state.
        let noise = settings.added(config.n_layers, config.n_layers);
        let embedding_sd = (sd * sd * noise / (dim - sd * sd)).sqrt();
        Ok(Self { embedding_amplitude: embedding_sd * 3_f32.sqrt(), stands_out: true, ..settings })
    }

    /// Whether no knob is set.
    pub(super) const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Amplitude of an embedding's elements.
    pub(super) const fn embedding_amplitude(&self) -> f32 {
        self.embedding_amplitude
    }

    /// Their standard deviation: a uniform number has a third of its amplitude's square as variance.
    fn embedding_sd(&self) -> f32 {
        self.embedding_amplitude / 3_f32.sqrt()
    }

    /// Whether an untied head has the embedding's rows.
    pub(super) const fn head_is_embedding(&self) -> bool {
        self.stands_out
    }

    /// Whether the first elements of the residual stream are kept for the gates.
    pub(super) const fn has_bias(&self) -> bool {
        self.gate_shift.is_some()
    }

    /// Sets what the knobs want of a norm's weights.
    pub(super) fn shape_norm(
        &self,
        config: &Config,
        tensor: &ExpectedTensor,
        stream: &mut Stream,
        norm: &mut [f32],
    ) {
        match tensor.role {
            Role::FinalNorm if self.stands_out => {
                // Logits keep a standard deviation of 3.
                let factor = 3.0 / (self.embedding_sd() * width(tensor.k).sqrt());
                norm.iter_mut().for_each(|weight| *weight *= factor);
            }
            Role::FfnSubNorm => {
                for weight in norm.iter_mut().filter(|_| (stream.unit() + 1.0) / 2.0 < self.dropped) {
                    *weight = 0.0;
                }
            }
            _ => {}
        }
        let Some(shift) = self.gate_shift else { return };
        match tensor.role {
            Role::AttnNorm | Role::FinalNorm => norm[..N_BIAS].fill(0.0),
            Role::FfnNorm => norm[..N_BIAS].fill(self.bias_norm(config, u32::from(tensor.layer), shift)),
            _ => {}
        }
    }

    /// The weight that brings the bias to the size that shifts gates by `shift` standard deviations.
    fn bias_norm(&self, config: &Config, layer: u32, shift: f32) -> f32 {
        let dim = width(u64::from(config.dim));
        let n_bias = width(N_BIAS as u64);
        let others = dim - n_bias;
        // A gate's other terms: two thirds of the trits are ±1, on elements of norm size.
        let gate_sd = (others * NORM_POWER * 2.0 / 3.0).sqrt();
        let wanted = shift * gate_sd / n_bias;
        let bias = self.embedding_amplitude;
        let noise = self.embedding_sd().powi(2) + self.added(layer + 1, layer);
        let rms = ((others * noise + n_bias * bias * bias) / dim).sqrt();
        wanted * rms / bias
    }

    /// Mean square that `attention` attention blocks and `feed_forward` others add to the residual stream.
    fn added(&self, attention: u32, feed_forward: u32) -> f32 {
        NORM_POWER * (width(u64::from(attention)) + (1.0 - self.dropped) * width(u64::from(feed_forward)))
    }
}

/// The share of `ffn_sub_norm` that must be zero for `down` zeros after `gates` zeros.
fn dropped(gates: f32, down: f32) -> Result<f32, Error> {
    let (low, high) = ROUNDED
        .iter()
        .zip(&ROUNDED[1..])
        .find(|(_, high)| gates <= high.0)
        .expect("the table ends at 1, and so do shares");
    let rounded = low.1 + (high.1 - low.1) * (gates - low.0) / (high.0 - low.0);
    let by_themselves = gates + (1.0 - gates) * rounded;
    if !(by_themselves - 0.005..=0.99).contains(&down) {
        let range = format!("{by_themselves:.2}, which gates leave by themselves, to 0.99");
        return Err(
            refusal("--down-zeros", &range, down).hint("fewer zeros in --gate-zeros leave fewer here")
        );
    }
    Ok((1.0 - (1.0 - down) / (1.0 - by_themselves)).max(0.0))
}

fn refusal(flag: &str, expected: &str, found: f32) -> Error {
    Error::new(flag, format!("expected {expected}, found {found}"))
}

/// The standard deviation below which `share` of a normal distribution lies; by bisection of its integral.
fn probit(share: f32) -> f32 {
    let (mut low, mut high) = (-8.0_f32, 8.0_f32);
    for _ in 0..40 {
        let middle = f32::midpoint(low, high);
        let below = 0.5 * libm::erfcf(-middle / core::f32::consts::SQRT_2);
        if below < share { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::super::shapes::{shape, shape_2b4t};
    use super::*;

    #[test]
    fn probit_gives_the_tables_quantiles() {
        for (share, quantile) in [(0.5, 0.0), (0.8, 0.841_621), (0.98, 2.053_749), (0.05, -1.644_854)] {
            assert!((probit(share) - quantile).abs() < 1e-4, "{share}: {}", probit(share));
        }
    }

    #[test]
    fn knobs_that_cannot_be_are_refused() {
        let relu2 = shape_2b4t();
        let none = Knobs::default();
        for (config, knobs, named) in [
            (&relu2, Knobs { gate_zeros: Some(1.0), ..none }, "0.05 to 0.98"),
            (&relu2, Knobs { gate_zeros: Some(f32::NAN), ..none }, "0.05 to 0.98"),
            (&relu2, Knobs { gate_zeros: Some(0.8), down_zeros: Some(0.8), ..none }, "0.87"),
            (&relu2, Knobs { top_sd: Some(1.0), ..none }, "5.0 to 16.8"),
            (&shape("8b").unwrap(), Knobs { top_sd: Some(6.0), ..none }, "sub-norms"),
            (&shape("3b").unwrap(), Knobs { gate_zeros: Some(0.8), ..none }, "relu2"),
        ] {
            let refusal = Settings::new(config, knobs).unwrap_err().to_string();
            assert!(refusal.contains(named), "{refusal}");
        }
        Settings::new(&shape("8b").unwrap(), none).unwrap();
    }
}
