//! The int8 head, and the quantisers that feed the integer products.

use super::Kernels;
use crate::layout::i2;
use crate::shape;

impl Kernels {
    /// `out[j] = (Σᵢ w[j, i] · x[i]) · (row_scale[j] · x_scale)`: int8 weights × 16-bit activations, for the LM head.
    ///
    /// | arg         | shape    | unit / meaning                                                   |
    /// |-------------|----------|------------------------------------------------------------------|
    /// | `w`         | `[n, k]` | i8, row-major                                                    |
    /// | `row_scale` | `[n]`    | f32, weight units per step                                       |
    /// | `x_high`    | `[k]`    | i8 in -127..=127; `x[i] = 256 * x_high[i] + x_low[i]`            |
    /// | `x_low`     | `[k]`    | i8                                                               |
    /// | `x_scale`   |          | f32, activation units per step, from `quantise_i16`              |
    /// | `out`       | `[n]`    | logits                                                           |
    ///
    /// The sum is exact in 64 bits and rounded once to f32; two f32 multiplications follow, in the order shown.
    /// Fastest where `k` is a multiple of 16 and `w` is 16-byte aligned. Allocates: no. Threads: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n` and `k`, or `k` is over 65536.
    pub fn gemv_i16_i8(
        &self,
        w: &[i8],
        row_scale: &[f32],
        n: usize,
        k: usize,
        x_high: &[i8],
        x_low: &[i8],
        x_scale: f32,
        out: &mut [f32],
    ) {
        shape::i8_head(w, row_scale, n, k, x_high, x_low, out);
        self.entries.gemv_i16_i8(w, row_scale, n, k, x_high, x_low, x_scale, out);
    }

    /// Per-token absmax quantisation to 8 bits: `q[i] = rne(x[i] · 127 / a)`, `a = max(max|x|, 1e-5)`.
    ///
    /// | arg   | shape           | unit / meaning                                    |
    /// |-------|-----------------|---------------------------------------------------|
    /// | `x`   | `[k]`           | f32                                               |
    /// | `q`   | `[k_padded(k)]` | i8 in -127..=127, zero from `k` on                |
    ///
    /// Returns the scale `a / 127`, activation units per step. Ties round to even. If `x` holds a NaN or an infinity,
    /// `q` is all zero and the scale is NaN or infinite, so that the product with it is never a number in range.
    /// Allocates: no. Source: BitNet b1.58, arXiv:2402.17764.
    ///
    /// # Panics
    /// If `q` is not `k_padded(x.len())` long.
    #[must_use]
    pub fn quantise_i8(&self, x: &[f32], q: &mut [i8]) -> f32 {
        shape::equal("q", q.len(), i2::k_padded(x.len()));
        self.entries.quantise_i8(x, q)
    }

    /// Per-token absmax quantisation to 16 bits in two int8 planes: `v[i] = rne(x[i] · 32512 / a)`.
    ///
    /// | arg    | shape | unit / meaning                                         |
    /// |--------|-------|--------------------------------------------------------|
    /// | `x`    | `[k]` | f32                                                    |
    /// | `high` | `[k]` | i8 in -127..=127, `(v + 128) >> 8`                     |
    /// | `low`  | `[k]` | i8 in -128..=127, `v - 256 * high`                     |
    ///
    /// Returns the scale `a / 32512`, `a = max(max|x|, 1e-5)`. 32512 is the largest value whose high plane stays in
    /// -127..=127. A NaN or infinity in `x` does what it does in [`quantise_i8`](Self::quantise_i8). Allocates: no.
    ///
    /// # Panics
    /// If the three lengths differ.
    #[must_use]
    pub fn quantise_i16(&self, x: &[f32], high: &mut [i8], low: &mut [i8]) -> f32 {
        shape::equal("high", high.len(), x.len());
        shape::equal("low", low.len(), x.len());
        self.entries.quantise_i16(x, high, low)
    }
}
