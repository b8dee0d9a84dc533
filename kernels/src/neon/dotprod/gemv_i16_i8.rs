//! The int8 head with `SDOT`: the two planes of x against the same weights, joined at the end.

use core::arch::aarch64::{int8x16_t, vaddvq_s32, vdupq_n_s32};

use super::sdot::sdot;
use crate::neon::gemv_i16_i8::{AHEAD, STEP, gemv};
use crate::neon::load::{Load, prefetch};
use crate::neon::rows::ROWS;

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv_i16_i8(
    w: &[i8],
    row_scale: &[f32],
    n: usize,
    k: usize,
    x_high: &[i8],
    x_low: &[i8],
    x_scale: f32,
    out: &mut [f32],
) {
    gemv(
        w,
        row_scale,
        n,
        k,
        x_high,
        x_low,
        x_scale,
        out,
        |rows, high, low| dot_rows(rows, high, low),
        |rows, high, low| dot_rows(rows, high, low),
    );
}

/// `Σ w · x` of four rows over whole steps. Each plane's int32 sums are exact up to the longest k (`shape::MAX_K`).
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_rows<C: Load<Vector = int8x16_t>>(mut rows: [&[C]; ROWS], high: &[C], low: &[C]) -> [i64; ROWS] {
    let low = &low[..high.len()];
    for row in &mut rows {
        *row = &row[..high.len()];
    }
    let start = rows[0].as_ptr().cast::<u8>();
    let mut acc = [[vdupq_n_s32(0); 2]; ROWS];
    for i in 0..high.len() {
        prefetch(start.wrapping_add((AHEAD * high.len() + ROWS * i) * STEP));
        let (high, low) = (high[i].load(), low[i].load());
        for r in 0..ROWS {
            let w = rows[r][i].load();
            acc[r][0] = sdot(acc[r][0], w, high);
            acc[r][1] = sdot(acc[r][1], w, low);
        }
    }
    let mut sums = [0; ROWS];
    for r in 0..ROWS {
        sums[r] = 256 * i64::from(vaddvq_s32(acc[r][0])) + i64::from(vaddvq_s32(acc[r][1]));
    }
    sums
}
