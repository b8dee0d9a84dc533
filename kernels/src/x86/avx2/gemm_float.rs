//! Float GEMM over few vectors: a row is widened once and meets four of them.
//!
//! Rows come in tiles that stay in L1 while every vector passes over them, so memory is read once whatever `m` is.

use core::arch::x86_64::{__m256, _mm256_fmadd_ps, _mm256_setzero_ps};

use super::gemv_float::{fma, gemv};
use super::sum::{self, Lanes};
use super::{half, load};
use crate::ops::half::f16_to_f32;
use crate::ops::lanes::LANES;

/// Rows of a tile: 8 KiB of 128 binary16 each, a quarter of L1, beside the vectors and the results.
const TILE: usize = 32;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemm_f32_f32(
    w: &[f32],
    n: usize,
    k: usize,
    stride: usize,
    m: usize,
    x: &[f32],
    out: &mut [f32],
    out_stride: usize,
) {
    gemm(w, n, k, stride, m, x, out, out_stride, |w| load::f32x8(w), |w| w);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemm_f32_f16(
    w: &[u16],
    n: usize,
    k: usize,
    stride: usize,
    m: usize,
    x: &[f32],
    out: &mut [f32],
    out_stride: usize,
) {
    gemm(w, n, k, stride, m, x, out, out_stride, |w| half::f16x8(w), f16_to_f32);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemm_f32_i8(
    w: &[i8],
    n: usize,
    k: usize,
    stride: usize,
    m: usize,
    x: &[f32],
    out: &mut [f32],
    out_stride: usize,
) {
    gemm(w, n, k, stride, m, x, out, out_stride, |w| load::i8x8_as_f32(w), f32::from);
}

/// `wide` reads eight weights as f32, `widen` one.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn gemm<T: Copy>(
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    m: usize,
    x: &[f32],
    out: &mut [f32],
    out_stride: usize,
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) {
    for first in (0..n).step_by(TILE) {
        let tile = first..n.min(first + TILE);
        let mut t = 0;
        while m - t >= 4 {
            block::<T, 1, 4>(w, tile.clone(), k, stride, x, t, out, out_stride, &wide, &widen);
            t += 4;
        }
        if m - t >= 2 {
            block::<T, 2, 2>(w, tile.clone(), k, stride, x, t, out, out_stride, &wide, &widen);
            t += 2;
        }
        if m > t {
            let out = &mut out[t * out_stride..][tile.clone()];
            gemv(&w[first * stride..], tile.len(), k, stride, &x[t * k..][..k], out, &wide, &widen);
        }
    }
}

/// Vectors `t` to `t + Q` over the rows `tile`, `R` rows at once.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn block<T: Copy, const R: usize, const Q: usize>(
    w: &[T],
    tile: core::ops::Range<usize>,
    k: usize,
    stride: usize,
    x: &[f32],
    t: usize,
    out: &mut [f32],
    out_stride: usize,
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) {
    let mut vectors: [&[f32]; Q] = [&[]; Q];
    for q in 0..Q {
        vectors[q] = &x[(t + q) * k..][..k];
    }
    let last = tile.end - 1;
    for j in tile.step_by(R) {
        // Past the last row, that row again: its sums are dropped.
        let mut rows: [&[T]; R] = [&[]; R];
        for r in 0..R {
            rows[r] = &w[(j + r).min(last) * stride..][..k];
        }
        let sums = sum::trees(dot_tile::<T, R, Q>(rows, vectors, &wide, &widen));
        for r in 0..R.min(last + 1 - j) {
            for q in 0..Q {
                out[(t + q) * out_stride + j + r] = sums[r * Q + q];
            }
        }
    }
}

/// The lanes of `R * Q = 4` reductions, row by row. Eight independent accumulators cover the latency of two fused
/// multiply-adds a cycle.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn dot_tile<T: Copy, const R: usize, const Q: usize>(
    rows: [&[T]; R],
    vectors: [&[f32]; Q],
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) -> [Lanes; 4] {
    const { assert!(R * Q == 4, "as many sums as a tree joins at once") };
    let n_chunks = vectors[0].len() / LANES;
    let mut w: [&[[T; LANES]]; R] = [&[]; R];
    let mut x: [&[[f32; LANES]]; Q] = [&[]; Q];
    for r in 0..R {
        w[r] = &rows[r].as_chunks().0[..n_chunks];
    }
    for q in 0..Q {
        x[q] = &vectors[q].as_chunks().0[..n_chunks];
    }
    let mut lanes = [[_mm256_setzero_ps(); 2]; 4];
    for i in 0..n_chunks {
        for half in 0..2 {
            for r in 0..R {
                let w = wide(&w[r][i].as_chunks().0[half]);
                for q in 0..Q {
                    let x = load::f32x8(&x[q][i].as_chunks().0[half]);
                    lanes[r * Q + q][half] = _mm256_fmadd_ps(w, x, lanes[r * Q + q][half]);
                }
            }
        }
    }
    if vectors[0].len() == n_chunks * LANES {
        return lanes;
    }
    for r in 0..R {
        for q in 0..Q {
            let mut array = sum::to_array(lanes[r * Q + q]);
            let tails = rows[r][n_chunks * LANES..].iter().zip(&vectors[q][n_chunks * LANES..]);
            for (lane, (w, x)) in array.iter_mut().zip(tails) {
                *lane = fma(widen(*w), *x, *lane);
            }
            let (halves, _) = array.as_chunks::<8>();
            lanes[r * Q + q] = [load::f32x8(&halves[0]), load::f32x8(&halves[1])];
        }
    }
    lanes
}
