//! Ternary GEMM by rows with `SDOT`.

use super::gemv_i8_i2::gemv_i8_i2;
use super::gemv_i8_t5::gemv_i8_t5;
use super::gemv_i8_tl2::gemv_i8_tl2;
use super::tile::{of_rows, products};
use crate::neon::gemm_rows::{gemm_i2, gemm_t5, gemm_tl2};

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemm_i8_i2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    if m == 1 {
        return gemv_i8_i2(w, n, k, x, out);
    }
    gemm_i2(w, n, k, m, x, out, |rows| of_rows(rows), |tile, x| products(tile, x));
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemm_i8_tl2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    if m == 1 {
        return gemv_i8_tl2(w, n, k, x, out);
    }
    gemm_tl2(w, n, k, m, x, out, |rows| of_rows(rows), |tile, x| products(tile, x));
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemm_i8_t5(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    if m == 1 {
        return gemv_i8_t5(w, n, k, x, out);
    }
    gemm_t5(w, n, k, m, x, out, |rows| of_rows(rows), |tile, x| products(tile, x));
}
