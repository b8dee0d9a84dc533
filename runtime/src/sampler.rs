//! From logits to a token: greedy, or temperature, top-k and top-p
//!
//! Candidates are sorted by (logit descending, id ascending), so equal logits have one order. The
//! draw comes from a counter-based generator keyed by (seed, position): a restored prefix, a
//! verified draft or another machine samples the same token. Top-p is nucleus sampling,
//! arXiv:1904.09751 section 3.1.

use core::fmt;

use ternlet_kernels::exp;

use crate::logit_key::{key_id, sort_key};

/// How to choose the next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplerOptions {
    /// 0 is greedy; otherwise logits are divided by it.
    pub temperature: f32,
    /// Keep the k largest logits; 0 keeps all.
    pub top_k: u32,
    /// Keep the smallest set whose probability reaches this; 1 keeps all.
    pub top_p: f32,
    /// Key of the generator.
    pub seed: u64,
}

impl SamplerOptions {
    /// The largest logit, always.
    pub const GREEDY: Self = Self { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };
}

/// An option outside its range.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SamplerError {
    /// The temperature is negative or not finite.
    Temperature(f32),
    /// Top-p is not in (0, 1].
    TopP(f32),
}

impl fmt::Display for SamplerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Temperature(t) => write!(f, "temperature must be 0 or more and finite, is {t}"),
            Self::TopP(p) => write!(f, "top-p must be above 0 and at most 1, is {p}"),
        }
    }
}

impl core::error::Error for SamplerError {}

/// A checked set of [`SamplerOptions`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    options: SamplerOptions,
}

impl Sampler {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`SamplerError`] naming the option and its value.
    pub fn new(options: SamplerOptions) -> Result<Self, SamplerError> {
        let SamplerOptions { temperature, top_p, .. } = options;
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(SamplerError::Temperature(temperature));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(SamplerError::TopP(top_p));
        }
        Ok(Self { options })
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &SamplerOptions {
        &self.options
    }

    /// How many of the largest logits decide the token: it is the same whatever the others are, as long as these are
    /// larger. `None`: all do.
    #[must_use]
    pub fn n_candidates(&self) -> Option<u32> {
        match self.options {
            SamplerOptions { temperature: 0.0, .. } => Some(1),
            SamplerOptions { top_k, .. } => (top_k > 0).then_some(top_k),
        }
    }

    /// The token that follows position `pos`, whose `logits: [vocab_size]` are finite; those beyond the largest
    /// [`n_candidates`](Self::n_candidates) may be negative infinity.
    ///
    /// `keys: [vocab_size]` is scratch. Allocates: no.
    ///
    /// # Panics
    /// If `logits` is empty, longer than 2^32 or than `keys`.
    #[must_use]
    pub fn sample(&self, pos: u32, logits: &[f32], keys: &mut [u64]) -> u32 {
        assert!(!logits.is_empty(), "no logits to sample from");
        if self.options.temperature == 0.0 {
            return argmax(logits);
        }
        let keys = &mut keys[..logits.len()];
        for (id, (key, &logit)) in (0u32..).zip(keys.iter_mut().zip(logits)) {
            *key = sort_key(logit, id);
        }
        let kept = match self.options.top_k as usize {
            k if k > 0 && k < keys.len() => {
                keys.select_nth_unstable(k - 1);
                &mut keys[..k]
            }
            _ => keys,
        };
        kept.sort_unstable();
        let ids = kept.iter().map(|&key| key_id(key));
        let largest = logits[argmax(logits) as usize];
        let weight = |id: u32| f64::from(exp((logits[id as usize] - largest) / self.options.temperature));

        let total: f64 = ids.clone().map(weight).sum();
        // Nucleus: candidates up to and with the one that reaches top_p of the total.
        let nucleus = if self.options.top_p < 1.0 {
            let mut reached = 0.0;
            let enough = total * f64::from(self.options.top_p);
            let last = ids.clone().position(|id| {
                reached += weight(id);
                reached >= enough
            });
            last.map_or(kept.len(), |last| last + 1)
        } else {
            kept.len()
        };
        let mass: f64 = ids.clone().take(nucleus).map(weight).sum();
        let mut left = uniform(self.options.seed, pos) * mass;
        let mut chosen = None;
        for id in ids.take(nucleus) {
            chosen = Some(id);
            left -= weight(id);
            if left < 0.0 {
                break;
            }
        }
        chosen.unwrap_or_else(|| argmax(logits))
    }
}

/// The id of the largest logit; the lowest id among equals.
///
/// # Panics
/// If there are more than 2^32 logits.
#[must_use]
pub fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (id, v) in logits.iter().enumerate() {
        if *v > logits[best] {
            best = id;
        }
    }
    u32::try_from(best).expect("a vocabulary has at most 2^32 tokens")
}

/// A number in [0, 1) that depends on nothing but the seed and the position.
///
/// Two rounds of the `SplitMix64` finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, OOPSLA 2014, figure 16), as a counter-based generator.
fn uniform(seed: u64, pos: u32) -> f64 {
    let bits = mix(mix(seed).wrapping_add(u64::from(pos)));
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in f64")]
    let fraction = (bits >> 11) as f64;
    fraction / (1u64 << 53) as f64
}

fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn sampler(temperature: f32, top_k: u32, top_p: f32, seed: u64) -> Sampler {
        Sampler::new(SamplerOptions { temperature, top_k, top_p, seed }).unwrap()
    }

    fn draws(sampler: Sampler, logits: &[f32], n: u32) -> Vec<u32> {
        let mut keys = vec![0; logits.len()];
        (0..n).map(|pos| sampler.sample(pos, logits, &mut keys)).collect()
    }

    #[test]
    fn greedy_takes_the_lowest_id_among_equals() {
        assert_eq!(draws(sampler(0.0, 0, 1.0, 7), &[1.0, 3.0, 3.0, -0.0], 1), [1]);
    }

    #[test]
    fn top_k_and_top_p_never_leave_their_set() {
        let logits = [0.0, 5.0, 4.0, -3.0, 4.0];
        assert!(draws(sampler(1.0, 2, 1.0, 1), &logits, 500).iter().all(|id| [1, 2].contains(id)));
        assert!(draws(sampler(1.0, 0, 0.5, 1), &logits, 500).iter().all(|id| *id == 1));
        assert!(draws(sampler(1.0, 1, 1.0, 1), &logits, 50).iter().all(|id| *id == 1));
    }

    #[test]
    fn frequencies_follow_the_softmax() {
        let logits = [0.0, 1.0, 2.0, -1.0];
        let total: f64 = logits.iter().map(|v| f64::from(*v).exp()).sum();
        let draws = draws(sampler(1.0, 0, 1.0, 42), &logits, 40_000);
        for (id, logit) in (0u32..).zip(logits) {
            let seen = draws.iter().filter(|d| **d == id).count() as f64 / 40_000.0;
            assert!((seen - f64::from(logit).exp() / total).abs() < 0.01, "{id}: {seen}");
        }
    }

    #[test]
    fn a_draw_depends_on_seed_and_position_only() {
        let logits: Vec<f32> = (0..100u16).map(|i| f32::from(i % 17) * 0.3).collect();
        let a = draws(sampler(0.9, 40, 0.95, 5), &logits, 64);
        assert_eq!(a, draws(sampler(0.9, 40, 0.95, 5), &logits, 64));
        assert_ne!(a, draws(sampler(0.9, 40, 0.95, 6), &logits, 64));
        let mut keys = vec![0; 100];
        assert_eq!(sampler(0.9, 40, 0.95, 5).sample(63, &logits, &mut keys), a[63]);
    }

    #[test]
    fn options_out_of_range_are_typed_errors() {
        let new = |temperature, top_p| {
            Sampler::new(SamplerOptions { temperature, top_k: 0, top_p, seed: 0 }).unwrap_err()
        };
        assert_eq!(new(-1.0, 1.0), SamplerError::Temperature(-1.0));
        assert!(matches!(new(f32::NAN, 1.0), SamplerError::Temperature(_)));
        assert_eq!(new(1.0, 0.0), SamplerError::TopP(0.0));
        assert_eq!(new(1.0, 1.5), SamplerError::TopP(1.5));
    }
}
