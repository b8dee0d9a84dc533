//! Rotary frequencies, computed once at pack time
//!
//! In f64 and rounded to f32, so that the runtime needs no `pow` and every machine rotates by the same angles.

/// `theta^(-2i / head_dim)` for i below `head_dim / 2` (RoPE, arXiv:2104.09864 §3.2.2).
#[must_use]
pub fn rope_inv_freq(theta: f64, head_dim: u32) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "the one rounding to f32")]
    let frequency = |i: u32| theta.powf(-f64::from(2 * i) / f64::from(head_dim)) as f32;
    (0..head_dim / 2).map(frequency).collect()
}
