//! Ternary GEMM by rows with `SDOT`.

use super::gemv_i8_i2::gemv_i8_i2;
use super::gemv_i8_t5::gemv_i8_t5;
use super::gemv_i8_tl2::gemv_i8_tl2;
use super::tile::{of_rows, products};
use crate::layout::TernaryLayout::{I2, T5, Tl1, Tl2};
use crate::neon::baseline::gemv_i8_tl1::gemv_i8_tl1;
use crate::neon::gemm_rows::{few_tokens, gemm_i2, gemm_t5, gemm_tl1, gemm_tl2};

/// Names the GEMM of a layout: up to so many tokens go through the GEMV, blocks of rows at a time; more are multiplied
/// with tiles of so many sixteens of a row.
macro_rules! gemm {
    ($($gemm:ident: $frame:ident::<$segment:literal>; $layout:expr, $gemv:ident, $few:literal, $rows:literal;)*) => {
        $(#[target_feature(enable = "neon,dotprod")]
        pub(super) fn $gemm(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
            if m <= $few {
                few_tokens::<$rows>($layout, w, k, m, x, out, |w, n, x, out| $gemv(w, n, k, x, out));
                return;
            }
            $frame::<$segment>(w, n, k, m, x, out, |rows| of_rows(rows), |tile, x| products(tile, x));
        })*
    };
}

gemm! {
    gemm_i8_i2: gemm_i2::<80>; I2, gemv_i8_i2, 6, 32;
    gemm_i8_tl1: gemm_tl1::<80>; Tl1, gemv_i8_tl1, 16, 256;
    gemm_i8_tl2: gemm_tl2::<72>; Tl2, gemv_i8_tl2, 4, 32;
    gemm_i8_t5: gemm_t5::<80>; T5, gemv_i8_t5, 3, 32;
}
