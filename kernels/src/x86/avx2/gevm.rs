//! Weighted sum of rows: a strip of columns stays in registers while the rows go by.

use core::arch::x86_64::{__m256, _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps};

use super::gemv_float::fma;
use super::{half, load};
use crate::ops::half::f16_to_f32;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gevm_f32_f32(a: &[f32], w: &[f32], _n: usize, _k: usize, stride: usize, out: &mut [f32]) {
    gevm(a, w, stride, out, |w| load::f32x8(w), |w| w);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gevm_f32_f16(a: &[f32], w: &[u16], _n: usize, _k: usize, stride: usize, out: &mut [f32]) {
    gevm(a, w, stride, out, |w| half::f16x8(w), f16_to_f32);
}

/// `wide` reads eight weights as f32, `widen` one.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn gevm<T: Copy>(
    a: &[f32],
    w: &[T],
    stride: usize,
    out: &mut [f32],
    wide: impl Fn(&[T; 8]) -> __m256,
    widen: impl Fn(T) -> f32,
) {
    // Eight accumulators cover the latency of two fused multiply-adds a cycle; heads are 64 or 128 wide.
    let (wide_strips, rest) = out.as_chunks_mut::<64>();
    let (strips, tail) = rest.as_chunks_mut::<8>();
    let mut column = 0;
    for strip in wide_strips {
        strip_sums::<T, 8>(a, w, stride, column, strip.as_chunks_mut().0, &wide);
        column += 64;
    }
    for strip in strips {
        strip_sums::<T, 1>(a, w, stride, column, core::slice::from_mut(strip), &wide);
        column += 8;
    }
    for (out, column) in tail.iter_mut().zip(column..) {
        *out = a.iter().enumerate().fold(0.0, |sum, (j, a)| fma(*a, widen(w[j * stride + column]), sum));
    }
}

/// `V` vectors of columns, from `column` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn strip_sums<T: Copy, const V: usize>(
    a: &[f32],
    w: &[T],
    stride: usize,
    column: usize,
    out: &mut [[f32; 8]],
    wide: impl Fn(&[T; 8]) -> __m256,
) {
    let mut sums = [_mm256_setzero_ps(); V];
    for (j, a) in a.iter().enumerate() {
        let a = _mm256_set1_ps(*a);
        let (w, _) = w[j * stride + column..][..8 * V].as_chunks::<8>();
        for v in 0..V {
            sums[v] = _mm256_fmadd_ps(a, wide(&w[v]), sums[v]);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        load::store_f32x8(out, sum);
    }
}
