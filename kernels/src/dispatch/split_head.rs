//! The planes of the split LM head: codes of 5 and of 3 bits × 16-bit activations.

use super::Kernels;
use crate::shape;

impl Kernels {
    /// `out[j] = Σᵢ code[j, i] · x[i]`: the high plane of a split int8 table × 16-bit activations.
    ///
    /// | arg      | shape                    | unit / meaning                                             |
    /// |----------|--------------------------|------------------------------------------------------------|
    /// | `w`      | `[n, high_row_bytes(k)]` | high plane of [`i8_split`](crate::layout::i8_split), row-major, 16-byte aligned     |
    /// | `x_high` | `[k_padded(k)]`          | i8 in -127..=127, zero from `k` on, 16-byte aligned        |
    /// | `x_low`  | `[k_padded(k)]`          | i8, likewise; `x[i] = 256 * x_high[i] + x_low[i]`          |
    /// | `out`    | `[n]`                    | i64 sums over the codes 0 to 31                            |
    ///
    /// Exact for every weight byte. A code is `(w >> 3) + 16`: the caller takes off `16 Σ x`, the same for every row.
    /// Allocates: no. Threads: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n` and `k`, `k` is over 65536, or a slice of bytes is not 16-byte aligned.
    pub fn gemv_i16_u5(&self, w: &[u8], n: usize, k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
        shape::split_high(w, n, k, x_high, x_low, out);
        self.entries.gemv_i16_u5(w, n, k, x_high, x_low, out);
    }

    /// `out[j] = Σᵢ code[j, i] · x[i]`: the low plane of a split int8 table × 16-bit activations.
    ///
    /// As [`gemv_i16_u5`](Self::gemv_i16_u5), with rows of `low_row_bytes(k)` and codes 0 to 7, which are `w & 7`. With
    /// `h` and `l` the sums of both planes, `Σ w x = 8 (h - 16 Σ x) + l`.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n` and `k`, `k` is over 65536, or a slice of bytes is not 16-byte aligned.
    pub fn gemv_i16_u3(&self, w: &[u8], n: usize, k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
        shape::split_low(w, n, k, x_high, x_low, out);
        self.entries.gemv_i16_u3(w, n, k, x_high, x_low, out);
    }
}
