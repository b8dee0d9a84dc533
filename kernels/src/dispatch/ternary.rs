//! Exact ternary products in any layout: by rows, by a list of rows, and by columns.

use core::ops::Range;

use super::Kernels;
use crate::layout::TernaryLayout::{self, I2, T5, Tl1, Tl2};
use crate::shape;

impl Kernels {
    /// `out[j] = Σᵢ w[j, i] · x[i]`: ternary weights × int8 activations.
    ///
    /// | arg   | shape                | unit / meaning                                                          |
    /// |-------|----------------------|-------------------------------------------------------------------------|
    /// | `w`   | `[n, k]`             | `layout.matrix_bytes(n, k)` bytes, 16-byte aligned                      |
    /// | `x`   | `[k_padded(k)]`      | i8 in -127..=127, zero from `k` on, 16-byte aligned; `k` padded to 64   |
    /// | `out` | `[n]`                | i32 sums; caller multiplies by `w_scale * x_scale`                      |
    ///
    /// Exact for every weight byte, the codes that are never written included. Allocates: no. Threads: no.
    /// Source: BitNet b1.58, arXiv:2402.17764.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n` and `k`, `k` is over 65536, or `w` or `x` is not 16-byte aligned.
    pub fn gemv_i8(&self, layout: TernaryLayout, w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
        shape::ternary_product(layout, w, n, k, 1, x, out);
        match layout {
            I2 => self.entries.gemv_i8_i2(w, n, k, x, out),
            Tl1 => self.entries.gemv_i8_tl1(w, n, k, x, out),
            Tl2 => self.entries.gemv_i8_tl2(w, n, k, x, out),
            T5 => self.entries.gemv_i8_t5(w, n, k, x, out),
        }
    }

    /// `out[j, t] = Σᵢ w[j, i] · x[t, i]`: [`gemv_i8`](Self::gemv_i8) for `m` tokens at once.
    ///
    /// | arg   | shape                | unit / meaning                                                          |
    /// |-------|----------------------|-------------------------------------------------------------------------|
    /// | `w`   | `[n, k]`             | `layout.matrix_bytes(n, k)` bytes, 16-byte aligned                      |
    /// | `x`   | `[m, k_padded(k)]`   | i8 in -127..=127, zero from `k` on, 16-byte aligned; `k` padded to 64   |
    /// | `out` | `[n, m]`             | i32 sums, feature-major: a range of rows is contiguous                  |
    ///
    /// Exact, and equal to `m` GEMVs. Decodes a tile of weights once, on the stack, and uses it for every token.
    /// Allocates: no. Threads: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k` and `m`, `k` is over 65536, or `w` or `x` is not 16-byte aligned.
    pub fn gemm_i8(
        &self,
        layout: TernaryLayout,
        w: &[u8],
        n: usize,
        k: usize,
        m: usize,
        x: &[i8],
        out: &mut [i32],
    ) {
        shape::ternary_product(layout, w, n, k, m, x, out);
        match layout {
            I2 => self.entries.gemm_i8_i2(w, n, k, m, x, out),
            Tl1 => self.entries.gemm_i8_tl1(w, n, k, m, x, out),
            Tl2 => self.entries.gemm_i8_tl2(w, n, k, m, x, out),
            T5 => self.entries.gemm_i8_t5(w, n, k, m, x, out),
        }
    }

    /// `out[i] = Σₗ w[rows[i], l] · x[l]`: [`gemv_i8`](Self::gemv_i8) for some of the rows; the others are not read.
    ///
    /// | arg    | shape               | unit / meaning                                                          |
    /// |--------|---------------------|-------------------------------------------------------------------------|
    /// | `w`    | `[n, k]`            | `layout.matrix_bytes(n, k)` bytes, 16-byte aligned                      |
    /// | `rows` | `[r]`               | each below `n`, in any order                                            |
    /// | `x`    | `[k_padded(k)]`     | i8 in -127..=127, zero from `k` on, 16-byte aligned; `k` padded to 64   |
    /// | `out`  | `[r]`               | i32 sums in the order of `rows`                                         |
    ///
    /// Exact. Allocates: no. Threads: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n` and `k`, a row is not below `n`, `layout` stores rows together (its
    /// `tile_rows` is not 1), `k` is over 65536, or `w` or `x` is not 16-byte aligned.
    pub fn gemv_rows_i8(
        &self,
        layout: TernaryLayout,
        w: &[u8],
        n: usize,
        k: usize,
        rows: &[u32],
        x: &[i8],
        out: &mut [i32],
    ) {
        shape::ternary_rows(layout, w, n, k, rows, x, out);
        match layout {
            I2 => self.entries.gemv_rows_i8_i2(w, n, k, rows, x, out),
            Tl1 => unreachable!("refused by the shape check"),
            Tl2 => self.entries.gemv_rows_i8_tl2(w, n, k, rows, x, out),
            T5 => self.entries.gemv_rows_i8_t5(w, n, k, rows, x, out),
        }
    }

    /// `acc[t, o] += Σⱼ x[t, j] · w[o, j]` over the listed columns `j`, for a column-major matrix and a range of its
    /// outputs `o`. Columns that are not listed are not read. With `m` = 1 this is the sparse GEMV.
    ///
    /// | arg       | shape                  | unit / meaning                                                       |
    /// |-----------|------------------------|----------------------------------------------------------------------|
    /// | `w`       | `[k, n]`               | column `j` is packed like a row of `n`, `layout.row_bytes(n)` bytes; 16-byte aligned |
    /// | `outputs` |                        | a part of `0..n`, cut at multiples of `layout.block()` or at `n`     |
    /// | `columns` | `[c]`                  | each below `k`, in any order                                         |
    /// | `x`       | `[m, k_padded(k)]`     | i8 in -127..=127, 16-byte aligned; `k` padded to 64                  |
    /// | `acc`     | `[m, outputs.len()]`   | i32 sums, added to                                                   |
    ///
    /// Exact where the sums fit int32 (from zero they do, for columns listed once), and otherwise modulo 2^32.
    /// Allocates: no. Threads: no.
    ///
    /// # Panics
    /// If the slice lengths disagree with `n`, `k`, `m` and `outputs`, `outputs` does not lie in `0..n` or is cut inside
    /// a block, a column is not below `k`, `layout` stores rows together (its `tile_rows` is not 1), `n` or `k` is over
    /// 65536, or `w` or `x` is not 16-byte aligned.
    pub fn gemm_columns_i8(
        &self,
        layout: TernaryLayout,
        w: &[u8],
        n: usize,
        k: usize,
        outputs: Range<usize>,
        columns: &[u32],
        m: usize,
        x: &[i8],
        acc: &mut [i32],
    ) {
        shape::ternary_columns(layout, w, n, k, &outputs, columns, m, x, acc);
        match layout {
            I2 => self.entries.gemm_columns_i8_i2(w, n, k, outputs, columns, m, x, acc),
            Tl1 => unreachable!("refused by the shape check"),
            Tl2 => self.entries.gemm_columns_i8_tl2(w, n, k, outputs, columns, m, x, acc),
            T5 => self.entries.gemm_columns_i8_t5(w, n, k, outputs, columns, m, x, acc),
        }
    }
}
