//! The int8 head with `SMLAL`: weights widened to int16 × 16-bit activations.
//!
//! `256 * high + low` fits int16 (at most 32639), so one multiply-add serves both planes; products of the int8 planes
//! would need widening after every single one.

use core::arch::aarch64::{
    int8x16_t, int16x8_t, vaddlvq_s32, vaddw_high_s8, vaddw_s8, vdupq_n_s32, vget_low_s8, vget_low_s16,
    vmlal_high_s16, vmlal_s16, vmovl_high_s8, vmovl_s8, vshll_high_n_s8, vshll_n_s8,
};

use crate::neon::gemv_i16_i8::{AHEAD, STEP, gemv};
use crate::neon::load::{Load, prefetch};
use crate::neon::rows::ROWS;

/// Steps summed in int32 before widening: a lane takes four products of at most `128 · 32640` per step.
const STEPS: usize = 128;
const _: () = assert!(STEPS as u64 * 4 * (128 * 32640) < 1 << 31);

#[target_feature(enable = "neon")]
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

/// `Σ w · x` of four rows over whole steps.
#[inline]
#[target_feature(enable = "neon")]
fn dot_rows<C: Load<Vector = int8x16_t>>(mut rows: [&[C]; ROWS], high: &[C], low: &[C]) -> [i64; ROWS] {
    let low = &low[..high.len()];
    for row in &mut rows {
        *row = &row[..high.len()];
    }
    let start = rows[0].as_ptr().cast::<u8>();
    let mut sums = [0; ROWS];
    let mut first = 0;
    while first < high.len() {
        let end = high.len().min(first + STEPS);
        let mut group = [vdupq_n_s32(0); ROWS];
        for i in first..end {
            prefetch(start.wrapping_add((AHEAD * high.len() + ROWS * i) * STEP));
            let [x_low, x_high] = join(high[i].load(), low[i].load());
            for r in 0..ROWS {
                let w = rows[r][i].load();
                let (w_low, w_high) = (vmovl_s8(vget_low_s8(w)), vmovl_high_s8(w));
                group[r] = vmlal_s16(group[r], vget_low_s16(w_low), vget_low_s16(x_low));
                group[r] = vmlal_high_s16(group[r], w_low, x_low);
                group[r] = vmlal_s16(group[r], vget_low_s16(w_high), vget_low_s16(x_high));
                group[r] = vmlal_high_s16(group[r], w_high, x_high);
            }
        }
        for r in 0..ROWS {
            sums[r] += vaddlvq_s32(group[r]);
        }
        first = end;
    }
    sums
}

/// `256 * high + low` in int16, elements 0 to 7 and 8 to 15.
#[inline]
#[target_feature(enable = "neon")]
fn join(high: int8x16_t, low: int8x16_t) -> [int16x8_t; 2] {
    let first = vaddw_s8(vshll_n_s8::<8>(vget_low_s8(high)), vget_low_s8(low));
    [first, vaddw_high_s8(vshll_high_n_s8::<8>(high), low)]
}
