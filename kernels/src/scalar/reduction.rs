//! Float reductions in sixteen lanes, one element at a time.

use super::fma::fma;
use crate::ops::half::{bf16_to_f32, f16_to_f32};
use crate::ops::lanes::{LANES, tree};

pub(super) fn gemv_f32_f32(w: &[f32], _n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv(w, k, stride, x, out, |w| w);
}

pub(super) fn gemv_f32_bf16(w: &[u16], _n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv(w, k, stride, x, out, bf16_to_f32);
}

pub(super) fn gemv_f32_f16(w: &[u16], _n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv(w, k, stride, x, out, f16_to_f32);
}

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
    gemm(w, n, k, stride, m, x, out, out_stride, |w| w);
}

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
    gemm(w, n, k, stride, m, x, out, out_stride, f16_to_f32);
}

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
    gemm(w, n, k, stride, m, x, out, out_stride, f32::from);
}

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
    gevm(a, a_stride, m, w, n, k, stride, out, |w| w);
}

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
    gevm(a, a_stride, m, w, n, k, stride, out, f16_to_f32);
}

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
    gevm(a, a_stride, m, w, n, k, stride, out, f32::from);
}

pub(super) fn sum_squares(x: &[f32]) -> f32 {
    dot(x, x, |x| x)
}

fn gemv<T: Copy>(w: &[T], k: usize, stride: usize, x: &[f32], out: &mut [f32], widen: impl Fn(T) -> f32) {
    for (j, out) in out.iter_mut().enumerate() {
        *out = dot(&w[j * stride..][..k], x, &widen);
    }
}

fn gemm<T: Copy>(
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    m: usize,
    x: &[f32],
    out: &mut [f32],
    out_stride: usize,
    widen: impl Fn(T) -> f32,
) {
    for t in 0..m {
        gemv(w, k, stride, &x[t * k..][..k], &mut out[t * out_stride..][..n], &widen);
    }
}

fn gevm<T: Copy>(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
    widen: impl Fn(T) -> f32,
) {
    out.fill(0.0);
    for t in 0..m {
        for j in 0..n {
            for (out, w) in out[t * k..][..k].iter_mut().zip(&w[j * stride..][..k]) {
                *out = fma(a[t * a_stride + j], widen(*w), *out);
            }
        }
    }
}

fn dot<T: Copy>(w: &[T], x: &[f32], widen: impl Fn(T) -> f32) -> f32 {
    let mut lane = [0.0; LANES];
    for (i, (w, x)) in w.iter().zip(x).enumerate() {
        lane[i % LANES] = fma(widen(*w), *x, lane[i % LANES]);
    }
    tree(lane)
}
