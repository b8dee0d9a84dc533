//! Float GEMM over few vectors: a row is widened once and meets four of them.
//!
//! Rows come in tiles that stay in L1 while every vector passes over them, so memory is read once whatever `m` is.

use core::arch::aarch64::{float32x4_t, int8x16_t, uint16x8_t, vdupq_n_f32, vfmaq_f32};
use core::ops::Range;

use super::gemv_float::{f16_lanes, fma, gemv, i8_lanes};
use super::load::{Aligned, Load, aligned};
use super::reduce::to_array;
use super::sum::{self, Lanes};
use crate::ops::half::f16_to_f32;
use crate::ops::lanes::LANES;

/// Rows of a tile: 8 KiB of 128 binary16 each, a quarter of the smallest L1, beside the vectors and the results.
const TILE: usize = 32;

#[target_feature(enable = "neon")]
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
    gemm::<f32, [float32x4_t; 4]>(w, n, k, stride, m, x, out, out_stride, |w| w, |w| w);
}

#[target_feature(enable = "neon")]
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
    gemm::<u16, [uint16x8_t; 2]>(w, n, k, stride, m, x, out, out_stride, |w| f16_lanes(w), f16_to_f32);
}

#[target_feature(enable = "neon")]
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
    gemm::<i8, int8x16_t>(w, n, k, stride, m, x, out, out_stride, |w| i8_lanes(w), f32::from);
}

/// `wide` turns the registers of sixteen weights into f32, `widen` one weight.
#[inline]
#[target_feature(enable = "neon")]
fn gemm<T: Copy, V>(
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    m: usize,
    x: &[f32],
    out: &mut [f32],
    out_stride: usize,
    wide: impl Fn(V) -> Lanes,
    widen: impl Fn(T) -> f32,
) where
    [T; LANES]: Load<Vector = V>,
    Aligned<[T; LANES]>: Load<Vector = V>,
{
    for first in (0..n).step_by(TILE) {
        let tile = first..n.min(first + TILE);
        let mut t = 0;
        while m - t >= 4 {
            block::<T, V, 1, 4>(w, tile.clone(), k, stride, x, t, out, out_stride, &wide, &widen);
            t += 4;
        }
        if m - t >= 2 {
            block::<T, V, 2, 2>(w, tile.clone(), k, stride, x, t, out, out_stride, &wide, &widen);
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
#[target_feature(enable = "neon")]
fn block<T: Copy, V, const R: usize, const Q: usize>(
    w: &[T],
    tile: Range<usize>,
    k: usize,
    stride: usize,
    x: &[f32],
    t: usize,
    out: &mut [f32],
    out_stride: usize,
    wide: impl Fn(V) -> Lanes,
    widen: impl Fn(T) -> f32,
) where
    [T; LANES]: Load<Vector = V>,
    Aligned<[T; LANES]>: Load<Vector = V>,
{
    let mut vectors: [&[f32]; Q] = [&[]; Q];
    let mut chunks: [&[[f32; LANES]]; Q] = [&[]; Q];
    let mut aligned_chunks: [&[Aligned<[f32; LANES]>]; Q] = [&[]; Q];
    let mut all_aligned = true;
    for q in 0..Q {
        vectors[q] = &x[(t + q) * k..][..k];
        chunks[q] = vectors[q].as_chunks().0;
        match aligned(chunks[q]) {
            Some(chunks) => aligned_chunks[q] = chunks,
            None => all_aligned = false,
        }
    }
    let n_whole = chunks[0].len() * LANES;
    let last = tile.end - 1;
    for j in tile.step_by(R) {
        // Past the last row, that row again: its sums are dropped.
        let mut rows: [&[T]; R] = [&[]; R];
        let mut natural: [&[[T; LANES]]; R] = [&[]; R];
        let mut aligned_rows: [&[Aligned<[T; LANES]>]; R] = [&[]; R];
        let mut rows_aligned = all_aligned;
        for r in 0..R {
            rows[r] = &w[(j + r).min(last) * stride..][..k];
            natural[r] = rows[r].as_chunks().0;
            match aligned(natural[r]) {
                Some(row) => aligned_rows[r] = row,
                None => rows_aligned = false,
            }
        }
        let mut lanes = if rows_aligned {
            dot_tile::<_, _, R, Q>(aligned_rows, aligned_chunks, &wide)
        } else {
            dot_tile::<_, _, R, Q>(natural, chunks, &wide)
        };
        if n_whole < k {
            for r in 0..R {
                for q in 0..Q {
                    let mut array = to_array(lanes[r * Q + q]);
                    let tails = rows[r][n_whole..].iter().zip(&vectors[q][n_whole..]);
                    for (lane, (w, x)) in array.iter_mut().zip(tails) {
                        *lane = fma(widen(*w), *x, *lane);
                    }
                    lanes[r * Q + q] = array.load();
                }
            }
        }
        let sums = sum::trees(lanes);
        for r in 0..R.min(last + 1 - j) {
            for q in 0..Q {
                out[(t + q) * out_stride + j + r] = sums[r * Q + q];
            }
        }
    }
}

/// The lanes of `R * Q = 4` reductions over whole chunks, row by row: sixteen accumulators, four registers of a row and
/// four of a vector fit 32.
#[inline]
#[target_feature(enable = "neon")]
fn dot_tile<W: Load, X: Load<Vector = Lanes>, const R: usize, const Q: usize>(
    mut rows: [&[W]; R],
    mut vectors: [&[X]; Q],
    wide: impl Fn(W::Vector) -> Lanes,
) -> [Lanes; 4] {
    const { assert!(R * Q == 4, "as many sums as a tree joins at once") };
    let n_chunks = vectors[0].len();
    for row in &mut rows {
        *row = &row[..n_chunks];
    }
    for vector in &mut vectors {
        *vector = &vector[..n_chunks];
    }
    let mut lanes = [[vdupq_n_f32(0.0); 4]; 4];
    for i in 0..n_chunks {
        for r in 0..R {
            let w = wide(rows[r][i].load());
            for q in 0..Q {
                let x = vectors[q][i].load();
                for quad in 0..4 {
                    let sum = &mut lanes[r * Q + q][quad];
                    *sum = vfmaq_f32(*sum, w[quad], x[quad]);
                }
            }
        }
    }
    lanes
}
