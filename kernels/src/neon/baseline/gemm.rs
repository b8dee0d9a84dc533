//! Ternary GEMM by rows with `SMLAL`.

use core::arch::aarch64::{int32x4_t, vdupq_n_s16, vdupq_n_s32, vpadalq_s16, vpaddq_s32};

use super::gemv_i8::{gemv_i8_t5, gemv_i8_tl2};
use super::gemv_i8_i2::{gemv_i8_i2, multiply_add};
use super::gemv_i8_tl1::gemv_i8_tl1;
use crate::layout::TernaryLayout::{I2, T5, Tl1, Tl2};
use crate::neon::gemm_rows::{
    FOURS, Sums, TOKENS, TileGroup, few_tokens, gemm_i2, gemm_t5, gemm_tl1, gemm_tl2,
};
use crate::neon::load::Load;
use crate::neon::rows::ROWS;
use crate::neon::ternary_rows::X;

/// Groups of sixteen weights summed in int16 before widening: a lane takes two products of each, of at most `2 · 128`.
const GROUP: usize = 60;
const _: () = assert!(GROUP * 2 * (2 * 128) < 1 << 15);

/// Names the GEMM of a layout: up to so many tokens go through the GEMV, blocks of rows at a time; more are multiplied
/// with tiles of so many sixteens of a row.
macro_rules! gemm {
    ($($gemm:ident: $frame:ident::<$segment:literal>; $layout:expr, $gemv:ident, $few:literal, $rows:literal;)*) => {
        $(#[target_feature(enable = "neon")]
        pub(super) fn $gemm(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
            if m <= $few {
                few_tokens::<$rows>($layout, w, k, m, x, out, |w, n, x, out| $gemv(w, n, k, x, out));
                return;
            }
            // Rows stay as they come: a vector of the tile is sixteen elements of one row.
            $frame::<$segment>(w, n, k, m, x, out, |rows| rows, |tile, x| products(tile, x));
        })*
    };
}

gemm! {
    gemm_i8_i2: gemm_i2::<60>; I2, gemv_i8_i2, 3, 32;
    gemm_i8_tl1: gemm_tl1::<60>; Tl1, gemv_i8_tl1, 16, 256;
    gemm_i8_tl2: gemm_tl2::<48>; Tl2, gemv_i8_tl2, 3, 32;
    gemm_i8_t5: gemm_t5::<60>; T5, gemv_i8_t5, 2, 32;
}

/// The sums of a tile with 1, 2, 4 or 8 tokens.
#[inline]
#[target_feature(enable = "neon")]
fn products(tile: &[TileGroup], x: &[&[X]]) -> Sums {
    let mut sums = [[vdupq_n_s32(0); TOKENS]; FOURS];
    for (four, sums) in sums.iter_mut().enumerate() {
        for (x, sums) in x.chunks(4).zip(sums.chunks_mut(4)) {
            match x {
                [a, b, c, d] => sums.copy_from_slice(&four_rows(tile, four, [a, b, c, d])),
                _ => {
                    for (x, sum) in x.iter().zip(sums) {
                        [*sum] = four_rows(tile, four, [x]);
                    }
                }
            }
        }
    }
    sums
}

/// Four rows and `T` tokens. With four the int16 accumulators take half the registers; the int32 ones wait on the stack,
/// touched once per group.
#[target_feature(enable = "neon")]
fn four_rows<const T: usize>(tile: &[TileGroup], four: usize, x: [&[X]; T]) -> [int32x4_t; T] {
    let x = x.map(|x| &x[..tile.len()]);
    let mut acc = [[vdupq_n_s32(0); ROWS]; T];
    for first in (0..tile.len()).step_by(GROUP) {
        let end = tile.len().min(first + GROUP);
        let mut lanes = [[vdupq_n_s16(0); ROWS]; T];
        for i in first..end {
            let [a, b, c, d] = &tile[i];
            let w = [a[four], b[four], c[four], d[four]];
            for t in 0..T {
                let x = x[t][i].load();
                for r in 0..ROWS {
                    lanes[t][r] = multiply_add(lanes[t][r], w[r], x);
                }
            }
        }
        for t in 0..T {
            for r in 0..ROWS {
                acc[t][r] = vpadalq_s16(acc[t][r], lanes[t][r]);
            }
        }
    }
    acc.map(|[a, b, c, d]| vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)))
}
