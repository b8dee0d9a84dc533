//! One exponential for every backend.
//!
//! `exp(x) = 2ⁿ · exp(r)`, `n = rne(x · log2 e)`, `r = x - n · ln 2` with ln 2 in two parts (Cody and Waite), `|r| <=
//! ln 2 / 2`, and the Taylor polynomial of degree 7 (its first missing term, `r⁸ / 8!`, is under 5.3e-9, a tenth of
//! half an ULP). No table, no fused operation, no branch: it vectorises, and every machine gives the same bits.

/// 1.5 · 2²³: adding it to `|v| < 2²²` rounds `v` to the nearest integer, ties to even, into the low mantissa bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// ln 2 rounded to 9 bits: its product with any `|n| <= 150` is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
/// ln 2 - `LN2_HIGH`.
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Below this the result is 0: 2⁻¹⁵⁰ is half the least subnormal.
const LOWEST: f32 = -104.0;
/// Above this the result is infinite.
const HIGHEST: f32 = 89.0;

/// `eˣ` in f32, the same bits on every machine; within 1 ULP of the true value (tested against f64).
///
/// `exp(-inf)` and anything under -104 is 0; results between are subnormal where they must be; over 88.73 is infinite;
/// NaN stays NaN.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    // Comparisons rather than `clamp`, so that NaN falls through both.
    let x = if x < LOWEST { LOWEST } else { x };
    let x = if x > HIGHEST { HIGHEST } else { x };
    let rounded = x * core::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        p = p * r + coefficient;
    }
    let exp_r = 1.0 + (r + r * r * p);
    // Two factors, because 2ⁿ alone can be out of range where the result is not.
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    let half = n >> 1;
    exp_r * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2ⁿ for -126 <= n <= 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn the_ends_of_the_range_are_exact() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!(exp(-104.1), 0.0);
        assert_eq!(exp(-103.5).to_bits(), 1);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(88.8), f32::INFINITY);
        assert!(exp(88.7).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }
}
