//! Fused multiply-add in software: `a * b + c` with one rounding, on any CPU.
//!
//! The product of two f32 is exact in f64. The sum is taken in f64 and rounded to odd (an inexact result gets its last
//! bit set), which keeps enough to make the final rounding to f32 correct: f64 has more than twice the bits of f32 and
//! two (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE TC 57(4), 2008).

/// `a * b + c`, rounded once. Equal to the hardware instruction in every bit, except a NaN's sign and payload.
#[must_use]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let c = f64::from(c);
    let sum = product + c;
    // Knuth's two-sum: `sum + error` is exactly `product + c`.
    let c_part = sum - product;
    let error = (product - (sum - c_part)) + (c - c_part);
    round_once(sum, error)
}

#[expect(clippy::cast_possible_truncation, reason = "the one rounding to f32")]
fn round_once(sum: f64, error: f64) -> f32 {
    let bits = sum.to_bits();
    let inexact = error != 0.0 && sum.is_finite();
    if inexact && bits & 1 == 0 {
        // The exact value lies strictly between `sum` and a neighbour, which is odd: take that one.
        let away_from_zero = (error > 0.0) == (sum > 0.0);
        let odd = if away_from_zero { bits + 1 } else { bits - 1 };
        return f64::from_bits(odd) as f32;
    }
    sum as f32
}

#[cfg(test)]
mod tests {
    use super::fma;

    #[test]
    fn roundings_that_two_steps_get_wrong_are_right() {
        // 1 + 2⁻²⁴ lies halfway between two f32; the product's last bit decides.
        let ulp = f32::EPSILON;
        assert_eq!(fma(1.0 + ulp, 1.0 + ulp, ulp / 2.0 - ulp * ulp), 1.0 + 2.0 * ulp);
        assert_eq!(fma(ulp * ulp, ulp * ulp, 1.0 + ulp), 1.0 + ulp);
        assert_eq!(fma(1.0, 1.0 + ulp, ulp / 2.0), 1.0 + 2.0 * ulp);
        assert_eq!(fma(-ulp * ulp, ulp * ulp, 1.0).to_bits(), 1.0f32.to_bits());
    }

    #[test]
    fn zeros_infinities_and_nans_follow_ieee() {
        assert_eq!(fma(0.0, -1.0, 0.0).to_bits(), 0);
        assert_eq!(fma(0.0, -1.0, -0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(fma(-1e-30, 1e-30, 0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(fma(f32::MAX, f32::MAX, f32::NEG_INFINITY), f32::NEG_INFINITY);
        assert_eq!(fma(f32::MAX, 2.0, 0.0), f32::INFINITY);
        assert_eq!(fma(f32::MAX, 2.0, -f32::MAX), f32::MAX);
        assert!(fma(f32::INFINITY, 0.0, 1.0).is_nan());
    }

    /// The platform's own: the instruction where the target has it, a correctly rounded library function elsewhere.
    #[cfg(feature = "std")]
    #[test]
    fn the_platforms_fused_multiply_add_agrees_on_all_exponents() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [.., a, b, c, d] = state.to_le_bytes();
            u32::from_le_bytes([a, b, c, d])
        };
        for i in 0..300_000 {
            let (a, b) = (f32::from_bits(next()), f32::from_bits(next()));
            // Half of the addends are near the product, where cancellation and halfway cases are.
            let c = if i % 2 == 0 {
                f32::from_bits(next())
            } else {
                -(a * b) * (1.0 + (next() >> 20) as f32 * 1e-7)
            };
            let (found, expected) = (fma(a, b, c), a.mul_add(b, c));
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same, "fma({a:e}, {b:e}, {c:e}) is {found:e}, expected {expected:e}");
        }
    }
}
