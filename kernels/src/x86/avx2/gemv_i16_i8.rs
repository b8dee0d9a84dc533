//! The int8 head: weights widened to int16 × 16-bit activations with `VPMADDWD`.
//!
//! `256 * high + low` fits int16 (at most 32639), so one multiply-add serves both planes.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_madd_epi16,
    _mm256_setzero_si256, _mm256_slli_epi16,
};

use super::{load, sum};

/// Elements of a step: one register of int16.
const STEP: usize = 16;
/// Steps of a strip, whose activations are joined at once: 8 KiB of stack. Each step adds at most `2 · 128 · 32640` to
/// an int32 lane, so a strip's sum stays under 2³¹.
const STRIP: usize = 256;
const _: () = assert!(STRIP as u64 * (2 * 128 * 32640) < 1 << 31);
/// Bytes ahead of the loads that are asked for.
const AHEAD: usize = 4096;
/// Rows that share a joined strip. They are read one after another, in the order of memory.
const ROWS: usize = 64;

#[target_feature(enable = "avx2,fma,f16c")]
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
    let (high, high_tail) = x_high.as_chunks::<STEP>();
    let (low, low_tail) = x_low.as_chunks::<STEP>();
    let mut x = [_mm256_setzero_si256(); STRIP];
    for (tile, (out, row_scale)) in out.chunks_mut(ROWS).zip(row_scale.chunks(ROWS)).enumerate() {
        let row = |r: usize| w[(tile * ROWS + r) * k..][..k].as_chunks::<STEP>();
        let mut sums = [0; ROWS];
        for (strip, (high, low)) in high.chunks(STRIP).zip(low.chunks(STRIP)).enumerate() {
            for ((x, high), low) in x.iter_mut().zip(high).zip(low) {
                *x = join(high, low);
            }
            for r in 0..out.len() {
                sums[r] += dot(&row(r).0[strip * STRIP..][..high.len()], &x);
            }
        }
        for (r, (out, row_scale)) in out.iter_mut().zip(row_scale).enumerate() {
            for ((w, high), low) in row(r).1.iter().zip(high_tail).zip(low_tail) {
                sums[r] += i64::from(*w) * (256 * i64::from(*high) + i64::from(*low));
            }
            *out = sums[r] as f32 * (row_scale * x_scale);
        }
    }
}

/// `Σ w · x` of a row over one strip.
#[inline]
#[target_feature(enable = "avx2")]
fn dot(w: &[[i8; STEP]], x: &[__m256i; STRIP]) -> i64 {
    let mut sum = _mm256_setzero_si256();
    for (w, x) in w.iter().zip(x) {
        load::prefetch_after(w, AHEAD);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_cvtepi8_epi16(load::i8x16(w)), *x));
    }
    sum::across_wide(sum)
}

/// `256 * high + low` in int16.
#[inline]
#[target_feature(enable = "avx2")]
fn join(high: &[i8; STEP], low: &[i8; STEP]) -> __m256i {
    let high = _mm256_slli_epi16::<8>(_mm256_cvtepi8_epi16(load::i8x16(high)));
    _mm256_add_epi16(high, _mm256_cvtepi8_epi16(load::i8x16(low)))
}
