//! IEEE binary16 and bf16 in integer arithmetic.
//!
//! A NaN keeps its sign and its upper payload bits and becomes quiet, as the conversion instructions of Arm and x86 do.

/// Largest finite binary16.
const MAX_F16: f32 = 65504.0;
/// Least normal binary16, 2⁻¹⁴.
const MIN_NORMAL_F16: f32 = 1.0 / 16384.0;

#[inline(always)]
pub(crate) fn f32_to_f16(x: &[f32], out: &mut [u16]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = narrow_f16(*x);
    }
}

#[inline(always)]
pub(crate) fn widen_f16(x: &[u16], out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = f16_to_f32(*x);
    }
}

#[inline(always)]
pub(crate) fn widen_bf16(x: &[u16], out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = bf16_to_f32(*x);
    }
}

/// bf16 is the upper half of an f32.
#[inline(always)]
pub(crate) fn bf16_to_f32(x: u16) -> f32 {
    f32::from_bits(u32::from(x) << 16)
}

#[inline(always)]
pub(crate) fn f16_to_f32(x: u16) -> f32 {
    let sign = u32::from(x & 0x8000) << 16;
    let magnitude = u32::from(x & 0x7fff);
    let bits = if magnitude >= 0x7c00 {
        let quiet = if magnitude > 0x7c00 { 0x0040_0000 } else { 0 };
        0x7f80_0000 | (magnitude & 0x3ff) << 13 | quiet
    } else if magnitude >= 0x400 {
        // Exponent bias 15 becomes 127.
        (magnitude << 13) + ((127 - 15) << 23)
    } else {
        // Zero or subnormal: an integer number of 2⁻²⁴, exact in f32.
        (magnitude as f32 / 16_777_216.0).to_bits()
    };
    f32::from_bits(sign | bits)
}

#[inline(always)]
pub(crate) fn narrow_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let magnitude = f32::from_bits(bits & 0x7fff_ffff);
    let half = if magnitude.is_nan() {
        0x7e00 | (bits >> 13 & 0x1ff)
    } else if magnitude < MIN_NORMAL_F16 {
        // The last place of 0.5 is 2⁻²⁴, that of a subnormal binary16: adding rounds there, ties to even.
        (magnitude + 0.5).to_bits() - 0.5f32.to_bits()
    } else {
        let magnitude = if magnitude > MAX_F16 { MAX_F16 } else { magnitude }.to_bits();
        let odd = magnitude >> 13 & 1;
        (magnitude - ((127 - 15) << 23) + 0xfff + odd) >> 13
    };
    let [low, high, ..] = (bits >> 16 & 0x8000 | half).to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::{f16_to_f32, narrow_f16};

    #[test]
    fn every_binary16_survives_the_round_trip() {
        for half in 0..=u16::MAX {
            let wide = f16_to_f32(half);
            let expected = match half & 0x7fff {
                0x7c00 => half & 0x8000 | 0x7bff, // infinity saturates
                0x7c01.. => half | 0x200,         // NaN becomes quiet
                _ => half,
            };
            assert_eq!(narrow_f16(wide), expected, "{half:#06x}");
        }
    }

    #[test]
    fn halfway_cases_round_to_even_and_big_values_saturate() {
        for half in 0..0x7bff_u16 {
            let (low, high) = (f16_to_f32(half), f16_to_f32(half + 1));
            let middle = low + (high - low) / 2.0;
            assert_eq!(narrow_f16(middle), half + (half & 1), "{half:#06x}");
            assert_eq!(narrow_f16(middle.next_down()), half, "{half:#06x}");
            assert_eq!(narrow_f16(middle.next_up()), half + 1, "{half:#06x}");
        }
        assert_eq!(narrow_f16(1e30), 0x7bff);
        assert_eq!(narrow_f16(f32::NEG_INFINITY), 0xfbff);
        assert!(f16_to_f32(narrow_f16(-f32::NAN)).is_nan());
    }
}
