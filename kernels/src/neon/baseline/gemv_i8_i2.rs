//! Ternary GEMV with `SMLAL`: int8 products added to int16 lanes, widened before they can overflow.
//!
//! One shift for the upper nibble and one for the top plane; plane 1 stays in place, four times too large, in
//! accumulators of its own. The multiply-adds, eight per 64 weights, are what the core's one multiplier waits for.

use core::arch::aarch64::{
    int8x16_t, int16x8_t, int32x4_t, vandq_u8, vdupq_n_s16, vdupq_n_s32, vdupq_n_u8, vget_low_s8,
    vmlal_high_s8, vmlal_s8, vpadalq_s16, vreinterpretq_s8_u8, vshrq_n_s8, vshrq_n_u8, vsraq_n_s32,
};

use crate::layout::i2::BLOCK_BYTES;
use crate::neon::gemv_i8_i2::{AHEAD, WeightBlock, XBlock, gemv};
use crate::neon::load::{Load, prefetch};
use crate::neon::rows::ROWS;
use crate::neon::sum;

/// Blocks summed in int16 before widening. Per block a lane takes two products of each plane: at most
/// `2 · (3 + 3 + 2) · 128` in one accumulator and `2 · 12 · 128` in the other, for every byte.
const GROUP: usize = 10;
const _: () = assert!(GROUP * 2 * (3 + 3 + 2) * 128 < 1 << 15);
const _: () = assert!(GROUP * 2 * 12 * 128 < 1 << 15);

#[target_feature(enable = "neon")]
pub(super) fn gemv_i8_i2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    gemv(w, n, k, x, out, |rows, x| dot_rows(rows, x));
}

/// `Σ code · x` of four rows.
#[inline]
#[target_feature(enable = "neon")]
fn dot_rows(mut rows: [&[WeightBlock]; ROWS], x: &[XBlock]) -> [i32; ROWS] {
    let start = rows[0].as_ptr().cast::<u8>();
    for row in &mut rows {
        *row = &row[..x.len()];
    }
    let mut once = [vdupq_n_s32(0); ROWS];
    let mut by4 = [vdupq_n_s32(0); ROWS];
    let mut first = 0;
    while first < x.len() {
        let end = x.len().min(first + GROUP);
        let mut group_once = [vdupq_n_s16(0); ROWS];
        let mut group_by4 = [vdupq_n_s16(0); ROWS];
        for i in first..end {
            prefetch(start.wrapping_add((AHEAD * rows[0].len() + ROWS * i) * BLOCK_BYTES));
            let x = [x[i][0].load(), x[i][1].load(), x[i][2].load(), x[i][3].load()];
            for r in 0..ROWS {
                let bytes = rows[r][i].load();
                let upper = vshrq_n_u8::<4>(bytes);
                let code = |bits, mask| vreinterpretq_s8_u8(vandq_u8(bits, vdupq_n_u8(mask)));
                group_once[r] = multiply_add(group_once[r], code(bytes, 0x03), x[0]);
                group_by4[r] = multiply_add(group_by4[r], code(bytes, 0x0c), x[1]);
                group_once[r] = multiply_add(group_once[r], code(upper, 0x03), x[2]);
                let top = vshrq_n_s8::<6>(vreinterpretq_s8_u8(bytes));
                group_once[r] = multiply_add(group_once[r], top, x[3]);
            }
        }
        for r in 0..ROWS {
            once[r] = vpadalq_s16(once[r], group_once[r]);
            by4[r] = vpadalq_s16(by4[r], group_by4[r]);
        }
        first = end;
    }
    // Every lane of `by4` is a multiple of four: the shift is exact.
    let row = |r: usize| -> int32x4_t { vsraq_n_s32::<2>(once[r], by4[r]) };
    sum::across4([row(0), row(1), row(2), row(3)])
}

/// `acc[i] += w[i] x[i] + w[8 + i] x[8 + i]`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn multiply_add(acc: int16x8_t, w: int8x16_t, x: int8x16_t) -> int16x8_t {
    vmlal_high_s8(vmlal_s8(acc, vget_low_s8(w), vget_low_s8(x)), w, x)
}
