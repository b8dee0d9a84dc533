//! The planes of the split head with `SDOT`: two per sixteen codes, one for each plane of x, joined at the end.

use core::arch::aarch64::{int8x16_t, uint8x16_t, vaddvq_s32, vdupq_n_s8, vdupq_n_s32};

use super::sdot::sdot;
use crate::neon::load::Load;
use crate::neon::split_head::{Block, HIGH, LOW, XBlock, gemv, high_codes, load_ahead, low_codes};

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv_i16_u5(w: &[u8], _n: usize, _k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    gemv::<HIGH>(
        w,
        x_high,
        x_low,
        out,
        |rows, high, low| dot(rows, high, low, |v| high_codes(v)),
        |rows, high, low| dot(rows, high, low, |v| high_codes(v)),
    );
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv_i16_u3(w: &[u8], _n: usize, _k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    gemv::<LOW>(
        w,
        x_high,
        x_low,
        out,
        |rows, high, low| dot(rows, high, low, |v| low_codes(v)),
        |rows, high, low| dot(rows, high, low, |v| low_codes(v)),
    );
}

/// `Σ code · (256 high + low)` of `R` rows. Each plane's int32 sums are exact up to the longest k (`shape::MAX_K`).
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot<const R: usize, const V: usize>(
    mut rows: [&[Block<V>]; R],
    high: &[XBlock],
    low: &[XBlock],
    codes: impl Fn([uint8x16_t; V]) -> [int8x16_t; 8],
) -> [i64; R] {
    let low = &low[..high.len()];
    for row in &mut rows {
        *row = &row[..high.len()];
    }
    let mut acc = [[vdupq_n_s32(0); 2]; R];
    for i in 0..high.len() {
        let mut row_codes = [[vdupq_n_s8(0); 8]; R];
        for r in 0..R {
            row_codes[r] = codes(load_ahead(&rows[r][i]));
        }
        for q in 0..8 {
            let (high, low) = (high[i][q].load(), low[i][q].load());
            for r in 0..R {
                acc[r][0] = sdot(acc[r][0], row_codes[r][q], high);
                acc[r][1] = sdot(acc[r][1], row_codes[r][q], low);
            }
        }
    }
    let mut sums = [0; R];
    for r in 0..R {
        sums[r] = 256 * i64::from(vaddvq_s32(acc[r][0])) + i64::from(vaddvq_s32(acc[r][1]));
    }
    sums
}
