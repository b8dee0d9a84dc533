//! The int8 head with `VPDPBUSD`: weights made unsigned (`w + 128`) × the two planes of the activations.
//!
//! The planes' sums are exact in int32 and joined in 64 bits: `256 · Σ w · high + Σ w · low`. What the unsigned weights
//! add, `128 Σ x`, is the same for every row.

use core::arch::x86_64::{
    _mm512_dpbusd_epi32, _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_xor_si512,
};

use super::rows::AHEAD;
use super::{load, sum};
use crate::shape::MAX_K;

/// Elements of a step: one register.
const STEP: usize = 64;
/// The largest sum of a lane: four products of at most `255 · 128` from each step.
const _: () = assert!((MAX_K / STEP) as u64 * (4 * 255 * 128) < 1 << 31);

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_i16_i8(
    w: &[i8],
    row_scale: &[f32],
    _n: usize,
    k: usize,
    x_high: &[i8],
    x_low: &[i8],
    x_scale: f32,
    out: &mut [f32],
) {
    let offset = 128 * join(bytes_sum(x_high), bytes_sum(x_low));
    for (j, (out, row_scale)) in out.iter_mut().zip(row_scale).enumerate() {
        let sum = dot(&w[j * k..][..k], x_high, x_low) - offset;
        *out = sum as f32 * (row_scale * x_scale);
    }
}

/// `Σ (w + 128) · (256 · high + low)` of a row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dot(w: &[i8], high: &[i8], low: &[i8]) -> i64 {
    let flip = _mm512_set1_epi8(i8::MIN);
    let ((w, w_tail), (high, high_tail), (low, low_tail)) =
        (w.as_chunks::<STEP>(), high.as_chunks::<STEP>(), low.as_chunks::<STEP>());
    let mut sums = [[_mm512_setzero_si512(); 2]; 2];
    for (i, ((w, high), low)) in w.iter().zip(high).zip(low).enumerate() {
        load::prefetch_after(w, AHEAD);
        let w = _mm512_xor_si512(load::i8x64(w), flip);
        let [high_sum, low_sum] = &mut sums[i % 2];
        *high_sum = _mm512_dpbusd_epi32(*high_sum, w, load::i8x64(high));
        *low_sum = _mm512_dpbusd_epi32(*low_sum, w, load::i8x64(low));
    }
    let [[mut high_sum, mut low_sum], other] = sums;
    if !w_tail.is_empty() {
        // Past the end the weights are 128 and the activations zero.
        let w = _mm512_xor_si512(load::i8_up_to_64(w_tail), flip);
        high_sum = _mm512_dpbusd_epi32(high_sum, w, load::i8_up_to_64(high_tail));
        low_sum = _mm512_dpbusd_epi32(low_sum, w, load::i8_up_to_64(low_tail));
    }
    let both = |a, b| sum::across_wide(a) + sum::across_wide(b);
    join(both(high_sum, other[0]), both(low_sum, other[1]))
}

/// `Σ x`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn bytes_sum(x: &[i8]) -> i64 {
    let one = _mm512_set1_epi8(1);
    let sum = x
        .chunks(STEP)
        .fold(_mm512_setzero_si512(), |sum, x| _mm512_dpbusd_epi32(sum, one, load::i8_up_to_64(x)));
    i64::from(_mm512_reduce_add_epi32(sum))
}

/// The sum over 16-bit activations from those over their planes.
fn join(high: i64, low: i64) -> i64 {
    256 * high + low
}
