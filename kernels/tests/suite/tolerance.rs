//! How far from an f64 reference each operation may be. Raising a number needs a reason in the commit.

/// Units in the last place of the true value, for `exp`: the worst found over the whole range is 0.997.
pub(crate) const EXP_ULP: f64 = 1.0;
/// Relative, for softmax: two roundings of exp (1 ULP each side), the lane sum, one division.
pub(crate) const SOFTMAX: f64 = 16.0 * HALF_ULP;
/// Relative, for `silu_mul`: exp in the denominator, then three roundings.
pub(crate) const SILU: f64 = 8.0 * HALF_ULP;
/// Relative, for products of a few roundings.
pub(crate) const ELEMENTWISE: f64 = 4.0 * HALF_ULP;

/// One rounding of f32, relative.
pub(crate) const HALF_ULP: f64 = 1.0 / (1u64 << 24) as f64;

/// The bound for a reduction of `k` terms whose magnitudes add up to `magnitudes`: each term passes through its lane's
/// `k / 16` additions and the four of the tree.
pub(crate) fn reduction(k: usize, magnitudes: f64) -> f64 {
    (k.div_ceil(16) + 4) as f64 * HALF_ULP * magnitudes + f64::from(f32::from_bits(1)) * k as f64
}
