//! Weighted sums of rows: a strip of columns stays in registers while a block of rows goes by.
//!
//! A block stays in L1 until every strip of every sum has passed over it, so memory is read once, front to back. Between
//! blocks the sums rest in `out`: each still takes its rows in ascending order.

use core::arch::x86_64::{__m256, _mm256_fmadd_ps, _mm256_set1_ps};
use core::ops::Range;

use super::gemv_float::fma;
use super::{half, load};
use crate::ops::half::f16_to_f32;

/// Rows of a block. Strips cross rows, which no hardware prefetcher takes for a stream, so blocks are small: 2 KiB of 128
/// binary16, asked for one block ahead. From memory 14 GB/s, against 8 with 32 rows and 6 without asking (Zen 4).
const BLOCK: usize = 8;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gevm_f32_f32(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[f32],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
) {
    gevm(a, a_stride, m, w, n, k, stride, out, |w| load::f32x8(w), |w| w);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gevm_f32_f16(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[u16],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
) {
    gevm(a, a_stride, m, w, n, k, stride, out, |w| half::f16x8(w), f16_to_f32);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gevm_f32_i8(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[i8],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
) {
    gevm(a, a_stride, m, w, n, k, stride, out, |w| load::i8x8_as_f32(w), f32::from);
}

/// `wide` reads eight weights as f32, `widen` one.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn gevm<T: Copy>(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) {
    out.fill(0.0);
    for first in (0..n).step_by(BLOCK) {
        let rows = first..n.min(first + BLOCK);
        // Eight accumulators each, which cover the latency of two fused multiply-adds a cycle.
        let mut t = 0;
        while m - t >= 4 {
            block::<T, 4, 2>(a, a_stride, t, w, rows.clone(), k, stride, out, &wide, &widen);
            t += 4;
        }
        if m - t >= 2 {
            block::<T, 2, 4>(a, a_stride, t, w, rows.clone(), k, stride, out, &wide, &widen);
            t += 2;
        }
        if m > t {
            block::<T, 1, 8>(a, a_stride, t, w, rows, k, stride, out, &wide, &widen);
        }
    }
}

/// Sums `t` to `t + S`, strips of `V` vectors.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn block<T: Copy, const S: usize, const V: usize>(
    a: &[f32],
    a_stride: usize,
    t: usize,
    w: &[T],
    rows: Range<usize>,
    k: usize,
    stride: usize,
    out: &mut [f32],
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) {
    let mut weights: [&[f32]; S] = [&[]; S];
    for s in 0..S {
        weights[s] = &a[(t + s) * a_stride..][rows.clone()];
    }
    let w = &w[rows.start * stride..];
    let out = &mut out[t * k..][..S * k];
    let mut column = 0;
    while k - column >= 8 * V {
        strip::<T, S, V>(weights, w, k, stride, column, out, &wide);
        column += 8 * V;
    }
    while k - column >= 8 {
        strip::<T, S, 1>(weights, w, k, stride, column, out, &wide);
        column += 8;
    }
    for c in column..k {
        for s in 0..S {
            let terms = weights[s].iter().enumerate();
            out[s * k + c] = terms.fold(out[s * k + c], |sum, (j, a)| fma(*a, widen(w[j * stride + c]), sum));
        }
    }
}

/// Columns `column` to `column + 8 V` of `S` sums.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn strip<T: Copy, const S: usize, const V: usize>(
    weights: [&[f32]; S],
    w: &[T],
    k: usize,
    stride: usize,
    column: usize,
    out: &mut [f32],
    wide: impl Fn(&[T; 8]) -> __m256,
) {
    let n_rows = weights[0].len();
    let weights = weights.map(|weights| &weights[..n_rows]);
    let mut sums = [[_mm256_set1_ps(0.0); V]; S];
    for s in 0..S {
        let (out, _) = out[s * k + column..][..8 * V].as_chunks::<8>();
        for v in 0..V {
            sums[s][v] = load::f32x8(&out[v]);
        }
    }
    for j in 0..n_rows {
        let (w, _) = w[j * stride + column..][..8 * V].as_chunks::<8>();
        load::prefetch_after(&w[0], BLOCK * stride * size_of::<T>());
        let mut row = [_mm256_set1_ps(0.0); V];
        for v in 0..V {
            row[v] = wide(&w[v]);
        }
        for s in 0..S {
            let a = _mm256_set1_ps(weights[s][j]);
            for v in 0..V {
                sums[s][v] = _mm256_fmadd_ps(a, row[v], sums[s][v]);
            }
        }
    }
    for s in 0..S {
        let (out, _) = out[s * k + column..][..8 * V].as_chunks_mut::<8>();
        for v in 0..V {
            load::store_f32x8(&mut out[v], sums[s][v]);
        }
    }
}
