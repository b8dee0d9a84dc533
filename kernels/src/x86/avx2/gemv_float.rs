//! Float GEMV: two registers hold the sixteen lanes of a row's reduction.

use core::arch::x86_64::{
    __m256, _mm_cvtss_f32, _mm_fmadd_ss, _mm_set_ss, _mm256_fmadd_ps, _mm256_setzero_ps,
};

use super::sum::{self, Lanes};
use super::{half, load};
use crate::ops::half::{bf16_to_f32, f16_to_f32};
use crate::ops::lanes::{LANES, tree};

/// Rows at once: eight independent accumulators cover the latency of two fused multiply-adds a cycle.
const ROWS: usize = 4;

/// From this `k` on, rows go one after another: a long row comes from memory, which streams better in one order than
/// in four (25 against 14 GB/s for f16, Zen 4), and two accumulators keep up with it.
const LONG: usize = 1024;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_f32_f32(w: &[f32], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv(w, n, k, stride, x, out, |w| load::f32x8(w), |w| w);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_f32_bf16(w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv(w, n, k, stride, x, out, |w| half::bf16x8(w), bf16_to_f32);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_f32_f16(w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv(w, n, k, stride, x, out, |w| half::f16x8(w), f16_to_f32);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn sum_squares(x: &[f32]) -> f32 {
    let [lanes] = dot_rows([x], x, |x| load::f32x8(x), |x| x);
    tree(sum::to_array(lanes))
}

/// `wide` reads eight weights as f32, `widen` one.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv<T: Copy>(
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    x: &[f32],
    out: &mut [f32],
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) {
    for (tile, out) in out.chunks_mut(ROWS).enumerate() {
        // Past the last row, that row again: its sums are dropped.
        let row = |r: usize| &w[(tile * ROWS + r).min(n - 1) * stride..][..k];
        let rows = [row(0), row(1), row(2), row(3)];
        let lanes = if k < LONG {
            dot_rows::<T, ROWS>(rows, x, &wide, &widen)
        } else {
            let mut lanes = [[_mm256_setzero_ps(); 2]; ROWS];
            for r in 0..ROWS.min(out.len()) {
                [lanes[r]] = dot_rows::<T, 1>([rows[r]], x, &wide, &widen);
            }
            lanes
        };
        let sums = sum::trees(lanes);
        out.copy_from_slice(&sums[..out.len()]);
    }
}

/// The lanes of `R` reductions over `w[i] · x[i]`, tail included.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot_rows<T: Copy, const R: usize>(
    rows: [&[T]; R],
    x: &[f32],
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) -> [Lanes; R] {
    let (x_chunks, x_tail) = x.as_chunks::<LANES>();
    let mut chunks: [&[[T; LANES]]; R] = [&[]; R];
    for r in 0..R {
        chunks[r] = &rows[r].as_chunks::<LANES>().0[..x_chunks.len()];
    }
    let mut lanes = [[_mm256_setzero_ps(); 2]; R];
    for (i, x) in x_chunks.iter().enumerate() {
        let (x, _) = x.as_chunks::<8>();
        let x = [load::f32x8(&x[0]), load::f32x8(&x[1])];
        for r in 0..R {
            let (w, _) = chunks[r][i].as_chunks::<8>();
            lanes[r][0] = _mm256_fmadd_ps(wide(&w[0]), x[0], lanes[r][0]);
            lanes[r][1] = _mm256_fmadd_ps(wide(&w[1]), x[1], lanes[r][1]);
        }
    }
    if x_tail.is_empty() {
        return lanes;
    }
    for r in 0..R {
        let mut array = sum::to_array(lanes[r]);
        let w_tail = &rows[r][x_chunks.len() * LANES..];
        for ((lane, w), x) in array.iter_mut().zip(w_tail).zip(x_tail) {
            *lane = fma(widen(*w), *x, *lane);
        }
        let (halves, _) = array.as_chunks::<8>();
        lanes[r] = [load::f32x8(&halves[0]), load::f32x8(&halves[1])];
    }
    lanes
}

/// `a * b + c` rounded once.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn fma(a: f32, b: f32, c: f32) -> f32 {
    _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)))
}
