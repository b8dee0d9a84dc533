//! Rotary frequencies, computed once at pack time
//!
//! In f64 and rounded once to f32, so that the runtime needs no `pow`. The powers come from `libm`, in software and the
//! same on every machine: a file packed on one has the bytes of a file packed on another.

use core::f64::consts::TAU;

/// How a checkpoint stretches its frequencies beyond the context it was first trained on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    None,
    /// Every frequency divided (position interpolation, arXiv:2306.15595 §2.3).
    Linear {
        /// The divisor, finite and above 0.
        factor: f64,
    },
    /// Long waves divided, short ones left, a blend between: Llama 3.1's recipe, as transformers computes it.
    Llama3 {
        /// The divisor of long waves, finite and above 0.
        factor: f64,
        /// Waves longer than `original_context / low_freq_factor` are long.
        low_freq_factor: f64,
        /// Waves shorter than `original_context / high_freq_factor` are short; above `low_freq_factor`.
        high_freq_factor: f64,
        /// Context of the first training, in tokens.
        original_context: f64,
    },
}

impl RopeScaling {
    /// A frequency, scaled.
    fn apply(self, frequency: f64) -> f64 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                let waves = original_context * frequency / TAU;
                let short =
                    ((waves - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                (1.0 - short) * frequency / factor + short * frequency
            }
        }
    }
}

/// `theta^(-2i / head_dim)` for i below `head_dim / 2` (RoPE, arXiv:2104.09864 §3.2.2), scaled.
#[must_use]
pub fn rope_inv_freq(theta: f64, head_dim: u32, scaling: RopeScaling) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "the one rounding to f32")]
    let frequency = |i: u32| scaling.apply(libm::pow(theta, -f64::from(2 * i) / f64::from(head_dim))) as f32;
    (0..head_dim / 2).map(frequency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exact frequencies of theta 500000 and heads of 32, rounded: computed with 40 decimal digits.
    const PLAIN: [u32; 16] = [
        0x3f80_0000,
        0x3ee1_77bb,
        0x3e46_93af,
        0x3dae_e4ad,
        0x3d1a_08c8,
        0x3c87_a9c3,
        0x3bee_f74e,
        0x3b52_7720,
        0x3ab9_5d22,
        0x3a23_418d,
        0x398f_c8f8,
        0x38fd_45c2,
        0x385f_10c4,
        0x37c4_7611,
        0x372d_07a7,
        0x3698_64a7,
    ];
    /// The same scaled as Llama 3.1 does, from a context of 64 by 8: short, blended and long waves.
    const LLAMA3: [u32; 16] = [
        0x3f80_0000,
        0x3ee1_77bb,
        0x3da2_9e0b,
        0x3c2e_e4ad,
        0x3b9a_08c8,
        0x3b07_a9c3,
        0x3a6e_f74e,
        0x39d2_7720,
        0x3939_5d22,
        0x38a3_418d,
        0x380f_c8f8,
        0x377d_45c2,
        0x36df_10c4,
        0x3644_7611,
        0x35ad_07a7,
        0x3518_64a7,
    ];

    fn bits(scaling: RopeScaling) -> Vec<u32> {
        rope_inv_freq(500_000.0, 32, scaling).into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn frequencies_are_the_exact_ones_rounded_once() {
        assert_eq!(bits(RopeScaling::None), PLAIN);
        // A division by a power of two is exact.
        let halves: Vec<u32> = PLAIN.iter().map(|bits| (f32::from_bits(*bits) / 2.0).to_bits()).collect();
        assert_eq!(bits(RopeScaling::Linear { factor: 2.0 }), halves);
        let llama3 = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 64.0,
        };
        assert_eq!(bits(llama3), LLAMA3);
    }
}
