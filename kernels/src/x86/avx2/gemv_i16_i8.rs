//! The int8 head: weights widened to int16 × 16-bit activations with `VPMADDWD`.
//!
//! `256 * high + low` fits int16 (at most 32639), so one multiply-add serves both planes.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_madd_epi16,
    _mm256_setzero_si256, _mm256_slli_epi16,
};

use super::{load, sum};

/// Rows that share the joined activations.
const ROWS: usize = 4;
/// Rows ahead of the loads that are asked for from memory.
const AHEAD: usize = 2 * ROWS;
/// Elements of a step: one register of int16.
const STEP: usize = 16;
/// Steps summed in int32 before widening: each adds at most `2 · 128 · 32640` to a lane, and 256 of them stay under 2³¹.
const STEPS: usize = 256;
const _: () = assert!(STEPS as u64 * (2 * 128 * 32640) < 1 << 31);

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_i16_i8(
    w: &[i8],
    row_scale: &[f32],
    n: usize,
    k: usize,
    x_high: &[i8],
    x_low: &[i8],
    x_scale: f32,
    out: &mut [f32],
) {
    for (tile, (out, row_scale)) in out.chunks_mut(ROWS).zip(row_scale.chunks(ROWS)).enumerate() {
        // Past the last row, that row again: its sums are dropped.
        let row = |r: usize| &w[(tile * ROWS + r).min(n - 1) * k..][..k];
        let sums = dot_rows([row(0), row(1), row(2), row(3)], x_high, x_low);
        for ((out, row_scale), sum) in out.iter_mut().zip(row_scale).zip(sums) {
            *out = sum as f32 * (row_scale * x_scale);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn dot_rows(rows: [&[i8]; ROWS], x_high: &[i8], x_low: &[i8]) -> [i64; ROWS] {
    let (high, high_tail) = x_high.as_chunks::<STEP>();
    let (low, low_tail) = x_low.as_chunks::<STEP>();
    let low = &low[..high.len()];
    let steps = |row: usize| &rows[row].as_chunks::<STEP>().0[..high.len()];
    let steps = [steps(0), steps(1), steps(2), steps(3)];
    let mut sums = [0; ROWS];
    let mut start = 0;
    while start < high.len() {
        let end = high.len().min(start + STEPS);
        let mut group = [_mm256_setzero_si256(); ROWS];
        for i in start..end {
            let x = join(&high[i], &low[i]);
            load::prefetch(rows[0].as_ptr().cast::<u8>().wrapping_add(AHEAD * rows[0].len() + i * 64));
            for r in 0..ROWS {
                let w = _mm256_cvtepi8_epi16(load::i8x16(&steps[r][i]));
                group[r] = _mm256_add_epi32(group[r], _mm256_madd_epi16(w, x));
            }
        }
        for r in 0..ROWS {
            sums[r] += sum::across_wide(group[r]);
        }
        start = end;
    }
    for r in 0..ROWS {
        let tail = &rows[r][high.len() * STEP..];
        for ((w, high), low) in tail.iter().zip(high_tail).zip(low_tail) {
            sums[r] += i64::from(*w) * (256 * i64::from(*high) + i64::from(*low));
        }
    }
    sums
}

/// `256 * high + low` in int16.
#[inline]
#[target_feature(enable = "avx2")]
fn join(high: &[i8; STEP], low: &[i8; STEP]) -> __m256i {
    let high = _mm256_slli_epi16::<8>(_mm256_cvtepi8_epi16(load::i8x16(high)));
    _mm256_add_epi16(high, _mm256_cvtepi8_epi16(load::i8x16(low)))
}
