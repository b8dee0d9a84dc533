//! The planes of the split head with `SMLAL`: int8 products summed in int16 over a block, then widened.
//!
//! A block adds eight products of at most `31 · 128` to a lane of int16, so x stays in its two int8 planes and a
//! multiply-add takes eight of them; with x joined to int16 it would take four.

use core::arch::aarch64::{
    int8x16_t, int16x8_t, uint8x16_t, vaddvq_s32, vdupq_n_s8, vdupq_n_s16, vdupq_n_s32, vget_low_s8,
    vmlal_high_s8, vmlal_s8, vpadalq_s16,
};

use crate::neon::load::Load;
use crate::neon::split_head::{Block, HIGH, LOW, XBlock, gemv, high_codes, load_ahead, low_codes};

/// Products that a lane of int16 takes in a block.
const PRODUCTS: usize = 8;
const _: () = assert!(PRODUCTS * 31 * 128 < 1 << 15);

#[target_feature(enable = "neon")]
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

#[target_feature(enable = "neon")]
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
#[target_feature(enable = "neon")]
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
        // For each row and plane of x the lower and the upper half of every product.
        let mut group = [[[vdupq_n_s16(0); 2]; 2]; R];
        for q in 0..8 {
            let x = [high[i][q].load(), low[i][q].load()];
            for r in 0..R {
                for plane in 0..2 {
                    group[r][plane] = add_products(group[r][plane], row_codes[r][q], x[plane]);
                }
            }
        }
        for r in 0..R {
            for plane in 0..2 {
                let [lower, upper] = group[r][plane];
                acc[r][plane] = vpadalq_s16(vpadalq_s16(acc[r][plane], lower), upper);
            }
        }
    }
    let mut sums = [0; R];
    for r in 0..R {
        sums[r] = 256 * i64::from(vaddvq_s32(acc[r][0])) + i64::from(vaddvq_s32(acc[r][1]));
    }
    sums
}

#[inline]
#[target_feature(enable = "neon")]
fn add_products([lower, upper]: [int16x8_t; 2], codes: int8x16_t, x: int8x16_t) -> [int16x8_t; 2] {
    [vmlal_s8(lower, vget_low_s8(codes), vget_low_s8(x)), vmlal_high_s8(upper, codes, x)]
}
