//! Float reductions, in one fixed order of operations.
//!
//! Sixteen lanes; element `i` goes to lane `i mod 16`; products are added by fused multiply-add, terms by plain
//! addition; a short tail touches only its own lanes; then `lane[i] += lane[i + 8]`, `+ 4`, `+ 2`, `+ 1`. The order is
//! part of the result: never split one reduction between threads.

use super::Kernels;
use crate::shape;

impl Kernels {
    /// `out[j] = Σᵢ w[j, i] · x[i]` with f32 weights: an f32 head, or attention scores over an f32 KV cache.
    ///
    /// | arg      | shape    | unit / meaning                                                      |
    /// |----------|----------|---------------------------------------------------------------------|
    /// | `w`      | `[n, k]` | f32, rows `stride` elements apart (`stride >= k`)                   |
    /// | `x`      | `[k]`    | f32                                                                 |
    /// | `out`    | `[n]`    | f32                                                                 |
    ///
    /// One sum per row in the module's order. Fastest where rows and `x` are 16-byte aligned. Allocates: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k` and `stride`.
    pub fn gemv_f32_f32(&self, w: &[f32], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
        shape::strided(w, n, k, stride, out, x);
        self.entries.gemv_f32_f32(w, n, k, stride, x, out);
    }

    /// [`gemv_f32_f32`](Self::gemv_f32_f32) with bf16 weights (the upper half of an f32), widened exactly.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k` and `stride`.
    pub fn gemv_f32_bf16(&self, w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
        shape::strided(w, n, k, stride, out, x);
        self.entries.gemv_f32_bf16(w, n, k, stride, x, out);
    }

    /// [`gemv_f32_f32`](Self::gemv_f32_f32) with IEEE binary16 weights, widened exactly, subnormals kept.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k` and `stride`.
    pub fn gemv_f32_f16(&self, w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
        shape::strided(w, n, k, stride, out, x);
        self.entries.gemv_f32_f16(w, n, k, stride, x, out);
    }

    /// `out[t, j] = Σᵢ w[j, i] · x[t, i]`: [`gemv_f32_f32`](Self::gemv_f32_f32) for `m` vectors over the same rows, such as
    /// the query heads that share a KV head (arXiv:2305.13245) over its keys.
    ///
    /// | arg      | shape    | unit / meaning                                                      |
    /// |----------|----------|---------------------------------------------------------------------|
    /// | `w`      | `[n, k]` | f32, rows `stride` elements apart (`stride >= k`)                   |
    /// | `x`      | `[m, k]` | f32                                                                 |
    /// | `out`    | `[m, n]` | f32, rows `out_stride` elements apart (`out_stride >= n`)           |
    ///
    /// Equal to `m` GEMVs. Every row of `w` comes from memory once, whatever `m` is. Allocates: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k`, `m` and the strides.
    pub fn gemm_f32_f32(
        &self,
        w: &[f32],
        n: usize,
        k: usize,
        stride: usize,
        m: usize,
        x: &[f32],
        out: &mut [f32],
        out_stride: usize,
    ) {
        shape::strided_gemm(w, n, k, stride, m, x, out, out_stride);
        self.entries.gemm_f32_f32(w, n, k, stride, m, x, out, out_stride);
    }

    /// [`gemm_f32_f32`](Self::gemm_f32_f32) with IEEE binary16 weights, widened exactly.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k`, `m` and the strides.
    pub fn gemm_f32_f16(
        &self,
        w: &[u16],
        n: usize,
        k: usize,
        stride: usize,
        m: usize,
        x: &[f32],
        out: &mut [f32],
        out_stride: usize,
    ) {
        shape::strided_gemm(w, n, k, stride, m, x, out, out_stride);
        self.entries.gemm_f32_f16(w, n, k, stride, m, x, out, out_stride);
    }

    /// [`gemm_f32_f32`](Self::gemm_f32_f32) with int8 weights, widened exactly: their scale is the caller's to apply.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k`, `m` and the strides.
    pub fn gemm_f32_i8(
        &self,
        w: &[i8],
        n: usize,
        k: usize,
        stride: usize,
        m: usize,
        x: &[f32],
        out: &mut [f32],
        out_stride: usize,
    ) {
        shape::strided_gemm(w, n, k, stride, m, x, out, out_stride);
        self.entries.gemm_f32_i8(w, n, k, stride, m, x, out, out_stride);
    }

    /// `out[t, c] = Σⱼ a[t, j] · w[j, c]`: weighted sums of the same rows, such as the attention weights of a group of
    /// query heads × the V cache of their KV head.
    ///
    /// | arg      | shape    | unit / meaning                                                      |
    /// |----------|----------|---------------------------------------------------------------------|
    /// | `a`      | `[m, n]` | f32, rows `a_stride` elements apart (`a_stride >= n`)               |
    /// | `w`      | `[n, k]` | f32, rows `stride` elements apart (`stride >= k`)                   |
    /// | `out`    | `[m, k]` | f32, overwritten                                                    |
    ///
    /// From zero, one fused multiply-add per row, `j` ascending. Every row of `w` comes from memory once, whatever `m`
    /// is. Allocates: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k`, `m` and the strides.
    pub fn gevm_f32_f32(
        &self,
        a: &[f32],
        a_stride: usize,
        m: usize,
        w: &[f32],
        n: usize,
        k: usize,
        stride: usize,
        out: &mut [f32],
    ) {
        shape::strided_gevm(a, a_stride, m, w, n, k, stride, out);
        self.entries.gevm_f32_f32(a, a_stride, m, w, n, k, stride, out);
    }

    /// [`gevm_f32_f32`](Self::gevm_f32_f32) with IEEE binary16 rows, widened exactly.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k`, `m` and the strides.
    pub fn gevm_f32_f16(
        &self,
        a: &[f32],
        a_stride: usize,
        m: usize,
        w: &[u16],
        n: usize,
        k: usize,
        stride: usize,
        out: &mut [f32],
    ) {
        shape::strided_gevm(a, a_stride, m, w, n, k, stride, out);
        self.entries.gevm_f32_f16(a, a_stride, m, w, n, k, stride, out);
    }

    /// [`gevm_f32_f32`](Self::gevm_f32_f32) with int8 rows, widened exactly: their scale is the caller's to apply.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k`, `m` and the strides.
    pub fn gevm_f32_i8(
        &self,
        a: &[f32],
        a_stride: usize,
        m: usize,
        w: &[i8],
        n: usize,
        k: usize,
        stride: usize,
        out: &mut [f32],
    ) {
        shape::strided_gevm(a, a_stride, m, w, n, k, stride, out);
        self.entries.gevm_f32_i8(a, a_stride, m, w, n, k, stride, out);
    }

    /// `Σᵢ x[i]²` in the module's order, products fused: the reduction of `RMSNorm` (arXiv:1910.07467).
    #[must_use]
    pub fn sum_squares(&self, x: &[f32]) -> f32 {
        self.entries.sum_squares(x)
    }

    /// Softmax in place: `x[i] = exp(x[i] - max) / Σ exp(x - max)`, by IEEE division and [`exp`](crate::exp).
    ///
    /// The sum follows the module's order. A NaN anywhere, or nothing but `-inf`, makes every element NaN.
    pub fn softmax(&self, x: &mut [f32]) {
        self.entries.softmax(x);
    }
}
