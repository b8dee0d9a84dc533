//! Per-token absmax quantisation to 8 and 16 bits.

use super::exp::ROUND;
use super::lanes;

/// Least absmax: keeps the scale of an all-zero token finite (as the reference implementation does).
const LEAST: f32 = 1e-5;
/// Steps from 0 to absmax in 8 bits.
pub(crate) const STEPS_I8: f32 = 127.0;
/// Steps from 0 to absmax in 16 bits: the largest whose high plane, `(v + 128) >> 8`, is at most 127.
pub(crate) const STEPS_I16: f32 = 32512.0;

#[inline(always)]
pub(crate) fn quantise_i8(x: &[f32], q: &mut [i8]) -> f32 {
    let (q, padding) = q.split_at_mut(x.len());
    padding.fill(0);
    let Scale { inverse, scale } = Scale::of(absmax(x), STEPS_I8);
    match inverse {
        Some(inverse) => round_i8(x, inverse, q),
        None => q.fill(0),
    }
    scale
}

#[inline(always)]
pub(crate) fn quantise_i16(x: &[f32], high: &mut [i8], low: &mut [i8]) -> f32 {
    let Scale { inverse, scale } = Scale::of(absmax(x), STEPS_I16);
    match inverse {
        Some(inverse) => round_i16(x, inverse, high, low),
        None => {
            high.fill(0);
            low.fill(0);
        }
    }
    scale
}

/// How a token is scaled.
pub(crate) struct Scale {
    /// Steps per unit, what activations are multiplied by; `None` if the token holds a NaN or an infinity.
    pub(crate) inverse: Option<f32>,
    /// Units per step, what the caller gets.
    pub(crate) scale: f32,
}

impl Scale {
    #[inline(always)]
    pub(crate) fn of(absmax: f32, steps: f32) -> Self {
        let absmax = if absmax < LEAST { LEAST } else { absmax };
        Self { inverse: absmax.is_finite().then_some(steps / absmax), scale: absmax / steps }
    }
}

/// `max |x[i]|`; a NaN wins over everything, because its bits without the sign are the largest integers.
#[inline(always)]
pub(crate) fn absmax(x: &[f32]) -> f32 {
    let larger = |most: u32, x: f32| most.max(x.to_bits() & 0x7fff_ffff);
    f32::from_bits(lanes::fold(x, 0, larger).into_iter().fold(0, u32::max))
}

/// `q[i] = rne(x[i] · inverse)`.
#[inline(always)]
pub(crate) fn round_i8(x: &[f32], inverse: f32, q: &mut [i8]) {
    for (q, x) in q.iter_mut().zip(x) {
        *q = low_byte(round(x * inverse));
    }
}

/// `256 · high[i] + low[i] = rne(x[i] · inverse)`.
#[inline(always)]
pub(crate) fn round_i16(x: &[f32], inverse: f32, high: &mut [i8], low: &mut [i8]) {
    for ((high, low), x) in high.iter_mut().zip(low).zip(x) {
        let v = round(x * inverse);
        *high = low_byte(v.wrapping_add(128) >> 8);
        *low = low_byte(v);
    }
}

/// Nearest integer, ties to even, for `|v| < 2²²`.
///
/// No clamp is needed after it: `|x| <= absmax` and the factor is one rounding away from `steps / absmax`, so
/// `|x * inverse| <= steps * (1 + 2⁻²⁴)²`, which rounds to at most `steps`.
#[inline(always)]
fn round(v: f32) -> u32 {
    (v + ROUND).to_bits().wrapping_sub(ROUND.to_bits())
}

/// The low byte of a two's complement number as a signed byte.
#[inline(always)]
fn low_byte(v: u32) -> i8 {
    v.to_le_bytes()[0].cast_signed()
}
