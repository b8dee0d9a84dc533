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

    /// `out[c] = Σⱼ a[j] · w[j, c]`: a weighted sum of rows, such as attention weights × the V cache.
    ///
    /// | arg      | shape    | unit / meaning                                                      |
    /// |----------|----------|---------------------------------------------------------------------|
    /// | `a`      | `[n]`    | f32                                                                 |
    /// | `w`      | `[n, k]` | f32, rows `stride` elements apart (`stride >= k`)                   |
    /// | `out`    | `[k]`    | f32, overwritten                                                    |
    ///
    /// From zero, one fused multiply-add per row, `j` ascending. Allocates: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k` and `stride`.
    pub fn gevm_f32_f32(&self, a: &[f32], w: &[f32], n: usize, k: usize, stride: usize, out: &mut [f32]) {
        shape::strided(w, n, k, stride, a, out);
        self.entries.gevm_f32_f32(a, w, n, k, stride, out);
    }

    /// [`gevm_f32_f32`](Self::gevm_f32_f32) with IEEE binary16 rows, widened exactly.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k` and `stride`.
    pub fn gevm_f32_f16(&self, a: &[f32], w: &[u16], n: usize, k: usize, stride: usize, out: &mut [f32]) {
        shape::strided(w, n, k, stride, a, out);
        self.entries.gevm_f32_f16(a, w, n, k, stride, out);
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
