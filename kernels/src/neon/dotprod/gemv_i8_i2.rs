//! Ternary GEMV with `SDOT`: four masks decode 64 weights, each plane at its own power of two.
//!
//! Cortex-A76 has one vector shift a cycle and two of everything else, so no plane is shifted: `b & 0x03`, `& 0x0c`,
//! `& 0x30` and `& 0xc0` are 1, 4, 16 and 64 times the plane, in four accumulators that are scaled once per row. Eight
//! instructions per 64 weights: 4 cycles on A76 (limits of its two vector pipes).

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vandq_u8, vdupq_n_s32, vdupq_n_u8, vreinterpretq_s8_u8, vsraq_n_s32,
};

use super::sdot::sdot;
use crate::layout::i2::BLOCK_BYTES;
use crate::neon::gemv_i8_i2::{AHEAD, WeightBlock, XBlock, gemv};
use crate::neon::load::{Load, prefetch};
use crate::neon::rows::ROWS;
use crate::neon::sum;

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv_i8_i2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    gemv(w, n, k, x, out, |rows, x| dot_rows(rows, x));
}

/// `Σ code · x` of four rows.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_rows(mut rows: [&[WeightBlock]; ROWS], x: &[XBlock]) -> [i32; ROWS] {
    let start = rows[0].as_ptr().cast::<u8>();
    for row in &mut rows {
        *row = &row[..x.len()];
    }
    let masks = [vdupq_n_u8(0x03), vdupq_n_u8(0x0c), vdupq_n_u8(0x30), vdupq_n_u8(0xc0)];
    let mut acc = [[vdupq_n_s32(0); 4]; ROWS];
    for (i, x) in x.iter().enumerate() {
        prefetch(start.wrapping_add((AHEAD * rows[0].len() + ROWS * i) * BLOCK_BYTES));
        let x: [int8x16_t; 4] = [x[0].load(), x[1].load(), x[2].load(), x[3].load()];
        for r in 0..ROWS {
            let bytes = rows[r][i].load();
            for plane in 0..4 {
                let code = vreinterpretq_s8_u8(vandq_u8(bytes, masks[plane]));
                acc[r][plane] = sdot(acc[r][plane], code, x[plane]);
            }
        }
    }
    sum::across4([unscale(acc[0]), unscale(acc[1]), unscale(acc[2]), unscale(acc[3])])
}

/// Planes at 1, 4, 16 and 64 times their value, added. Every lane is a multiple of its factor: the shifts are exact.
#[inline]
#[target_feature(enable = "neon")]
fn unscale([once, by4, by16, by64]: [int32x4_t; 4]) -> int32x4_t {
    vsraq_n_s32::<6>(vsraq_n_s32::<4>(vsraq_n_s32::<2>(once, by4), by16), by64)
}
