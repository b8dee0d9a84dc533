//! Per-token absmax quantisation to 8 and 16 bits.

use super::exp::ROUND;
use super::lanes::LANES;

/// Least absmax: keeps the scale of an all-zero token finite (as the reference implementation does).
const LEAST: f32 = 1e-5;
/// Steps from 0 to absmax in 8 bits.
const STEPS_I8: f32 = 127.0;
/// Steps from 0 to absmax in 16 bits: the largest whose high plane, `(v + 128) >> 8`, is at most 127.
const STEPS_I16: f32 = 32512.0;

#[inline(always)]
pub(crate) fn quantise_i8(x: &[f32], q: &mut [i8]) -> f32 {
    let (q, padding) = q.split_at_mut(x.len());
    padding.fill(0);
    let absmax = absmax(x);
    if !absmax.is_finite() {
        q.fill(0);
        return absmax / STEPS_I8;
    }
    let absmax = if absmax < LEAST { LEAST } else { absmax };
    let scale = STEPS_I8 / absmax;
    for (q, x) in q.iter_mut().zip(x) {
        *q = low_byte(round(x * scale));
    }
    absmax / STEPS_I8
}

#[inline(always)]
pub(crate) fn quantise_i16(x: &[f32], high: &mut [i8], low: &mut [i8]) -> f32 {
    let absmax = absmax(x);
    if !absmax.is_finite() {
        high.fill(0);
        low.fill(0);
        return absmax / STEPS_I16;
    }
    let absmax = if absmax < LEAST { LEAST } else { absmax };
    let scale = STEPS_I16 / absmax;
    for ((high, low), x) in high.iter_mut().zip(low).zip(x) {
        let v = round(x * scale);
        *high = low_byte(v.wrapping_add(128) >> 8);
        *low = low_byte(v);
    }
    absmax / STEPS_I16
}

/// `max |x[i]|`; a NaN wins over everything, because its bits without the sign are the largest integers.
#[inline(always)]
fn absmax(x: &[f32]) -> f32 {
    let magnitude = |x: &f32| x.to_bits() & 0x7fff_ffff;
    let mut lane = [0; LANES];
    let (chunks, tail) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            lane[l] = magnitude(&chunk[l]).max(lane[l]);
        }
    }
    let most = tail.iter().map(magnitude).chain(lane).fold(0, u32::max);
    f32::from_bits(most)
}

/// Nearest integer, ties to even, for `|v| < 2²²`.
///
/// No clamp is needed after it: `|x| <= absmax` and the scale is one rounding away from `steps / absmax`, so
/// `|x * scale| <= steps * (1 + 2⁻²⁴)²`, which rounds to at most `steps`.
#[inline(always)]
fn round(v: f32) -> u32 {
    (v + ROUND).to_bits().wrapping_sub(ROUND.to_bits())
}

/// The low byte of a two's complement number as a signed byte.
#[inline(always)]
fn low_byte(v: u32) -> i8 {
    v.to_le_bytes()[0].cast_signed()
}
