//! What is odd about weights although they can be packed
//!
//! Each oddity becomes one sentence with a count and an example. Nothing is inferred from what is found here: the
//! configuration alone says how weights are read.
//!
//! *Scales.* Whether `weight_scale` multiplies or divides is one key of the configuration, and a checkpoint that lost
//! it gives nonsense. A linear that is fed by an RMS norm with weights of root mean square `g` has outputs around
//! `G · s`, with `G = g · √k` and `s` the multiplying scale; read the wrong way they are around `G / s`. Trained models
//! keep them within a few powers of ten of 1, so the reading that is much farther from 1 is suspicious. (The scale
//! alone does not tell: BitNet b1.58 2B-4T has scales above 1, made up for by norm weights around 0.02.)

use ternlet_runtime::format::{ExpectedTensor, Role, Schedule, TensorKind};

use super::{HfCheckpoint, float_of, shape};
use crate::error::Error;
use crate::import::hf_config::WeightForm;
use crate::import::packed;
use crate::pack::Source as _;

/// By how much the other reading of a scale must be closer to 1.
const SUSPICIOUS: f64 = 4.0;

/// How many matrices are odd in one way, and the first of them.
#[derive(Debug, Default)]
struct Tally {
    count: usize,
    example: String,
}

impl Tally {
    fn add(&mut self, example: impl FnOnce() -> String) {
        if self.count == 0 {
            self.example = example();
        }
        self.count += 1;
    }
}

/// A sentence for each oddity.
pub(super) fn warnings(checkpoint: &HfCheckpoint) -> Result<Vec<String>, Error> {
    let form = checkpoint.hf.quantization.weight_form;
    let (mut reciprocal, mut zero, mut ternary) = (Tally::default(), Tally::default(), Tally::default());
    let mut n_matrices = 0;
    // Root mean squares of the norms of this layer so far.
    let mut norms: Vec<(Role, f64)> = Vec::new();
    for tensor in Schedule::of_floats(checkpoint.config()).iter() {
        if tensor.role == Role::AttnNorm {
            norms.clear();
        }
        match tensor.kind {
            TensorKind::Vector => norms.push((tensor.role, root_mean_square(&checkpoint.vector(&tensor)?))),
            TensorKind::Table | TensorKind::LowPlane => {}
            TensorKind::Ternary => {
                n_matrices += 1;
                let stored = checkpoint.stored(&checkpoint.name(&tensor))?;
                let name = || stored.name.to_owned();
                if form == WeightForm::Master {
                    match float_of(&stored)?.only_magnitude(stored.bytes) {
                        Some(0.0) => zero.add(name),
                        Some(_) => ternary.add(name),
                        None => {}
                    }
                    continue;
                }
                if packed::is_zero(stored.bytes) {
                    zero.add(name);
                }
                let scale = checkpoint.packed_scale(stored.name)?;
                let norm = input_norm(tensor.role).iter().rev().find_map(|role| {
                    norms.iter().rev().find(|(found, _)| found == role).map(|(_, size)| *size)
                });
                if norm.is_some_and(|norm| looks_reciprocal(&tensor, norm, f64::from(scale))) {
                    reciprocal.add(|| format!("{}_scale", stored.name));
                }
            }
        }
    }
    let found = |tally: &Tally, what: String| {
        (tally.count > 0).then(|| format!("WARNING: {} of {n_matrices} ternary matrices {what}", tally.count))
    };
    let does = if form == WeightForm::PackedDivide { "divides" } else { "multiplies" };
    Ok([
        found(
            &reciprocal,
            format!(
                "have a scale that looks like its reciprocal ({}): config.json says that weight_scale {does}. If the \
                model answers with nonsense, linear_class in its quantization_config is wrong or was lost",
                reciprocal.example
            ),
        ),
        found(
            &zero,
            format!(
                "hold nothing but zeros ({}): the checkpoint is damaged, and the model will hardly make sense",
                zero.example
            ),
        ),
        found(
            &ternary,
            format!(
                "are ternary already ({}): as config.json demands, the mean of all magnitudes becomes their scale, \
                zeros included, which is less than the one they have",
                ternary.example
            ),
        ),
    ]
    .into_iter()
    .flatten()
    .collect())
}

/// The norms whose weights size the input of the linear `role`, the last one nearest; none where that is not known, or
/// where the output joins the residual stream, which may have any size.
const fn input_norm(role: Role) -> &'static [Role] {
    match role {
        Role::Wq => &[Role::AttnNorm, Role::WqNorm],
        Role::Wk => &[Role::AttnNorm, Role::WkNorm],
        Role::Wv => &[Role::AttnNorm, Role::WvNorm],
        Role::WGate => &[Role::FfnNorm, Role::WGateNorm],
        Role::WUp => &[Role::FfnNorm, Role::WUpNorm],
        _ => &[],
    }
}

/// Whether outputs are farther from 1 by the scale than by its reciprocal, by a factor of more than [`SUSPICIOUS`].
fn looks_reciprocal(tensor: &ExpectedTensor, norm: f64, scale: f64) -> bool {
    let (_, k) = shape(tensor);
    let gain = norm * f64::from(u32::try_from(k).unwrap_or(u32::MAX)).sqrt();
    let distance = |output: f64| output.max(1.0 / output);
    distance(gain * scale) > SUSPICIOUS * distance(gain / scale)
}

#[expect(clippy::cast_precision_loss, reason = "at most MAX_DIM elements")]
fn root_mean_square(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}
