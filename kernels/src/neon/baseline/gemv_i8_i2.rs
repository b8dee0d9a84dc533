//! Ternary GEMV of `i2` with `SMLAL`: int8 products added to int16 lanes, widened before they can overflow.
//!
//! One shift for the upper nibble and one for the top plane; plane 1 stays in place, four times too large, in
//! accumulators of its own. The multiply-adds, eight per 64 weights, are what the core's one multiplier waits for.

use core::arch::aarch64::{
    int8x16_t, int16x8_t, uint8x16_t, vandq_u8, vdupq_n_s16, vdupq_n_s32, vdupq_n_u8, vget_low_s8,
    vmlal_high_s8, vmlal_s8, vpadalq_s16, vreinterpretq_s8_u8, vshrq_n_s8, vshrq_n_u8, vsraq_n_s32,
};

use crate::layout::i2::{BLOCK_BYTES, row_bytes};
use crate::neon::gemv_i8_i2::{XBlock, offset, x_blocks};
use crate::neon::load::{Load, prefetch_lines};
use crate::neon::rows::ROWS;
use crate::neon::sum;
use crate::neon::ternary_rows::{Packed, RowGroup, gemv};

/// Blocks of a step: two of a row load with one instruction.
const STEP: usize = 2;
/// Cache lines that a step reads.
const LINES: usize = ROWS * STEP * BLOCK_BYTES / 64;
/// Steps summed in int16 before widening. Per block a lane takes two products of each plane: at most
/// `2 · (3 + 3 + 2) · 128` in one accumulator and `2 · 12 · 128` in the other, for every byte.
const GROUP: usize = 5;
const _: () = assert!(GROUP * STEP * 2 * (3 + 3 + 2) * 128 < 1 << 15);
const _: () = assert!(GROUP * STEP * 2 * 12 * 128 < 1 << 15);

#[target_feature(enable = "neon")]
pub(super) fn gemv_i8_i2(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    products::<false>(w, k, &[], x, out);
}

#[target_feature(enable = "neon")]
pub(super) fn gemv_rows_i8_i2(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    products::<true>(w, k, rows, x, out);
}

#[target_feature(enable = "neon")]
fn products<const LISTED: bool>(w: &[u8], k: usize, list: &[u32], x: &[i8], out: &mut [i32]) {
    let blocks = x_blocks(x);
    let offset = offset(blocks);
    gemv::<LISTED>(w, row_bytes(k), list, x, out, |group| dot_rows(group, blocks, offset));
}

/// `Σ w · x` of four rows.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn dot_rows(group: RowGroup<'_>, x: &[XBlock], offset: i32) -> [i32; ROWS] {
    let mut once = [vdupq_n_s32(0); ROWS];
    let mut by4 = [vdupq_n_s32(0); ROWS];
    let mut widen = |sums: [Sums; ROWS]| {
        for r in 0..ROWS {
            once[r] = vpadalq_s16(once[r], sums[r][0]);
            by4[r] = vpadalq_s16(by4[r], sums[r][1]);
        }
    };
    let zero = [[vdupq_n_s16(0); 2]; ROWS];
    let (x_steps, x_rest) = x.as_chunks::<STEP>();
    let rows = group.rows.map(|row| row[..x.len()].as_chunks::<STEP>());
    let [a, b, c, d] = rows.map(|(steps, _)| steps[..x_steps.len()].chunks(GROUP));
    let mut ahead = group.ahead;
    for ((((x, a), b), c), d) in x_steps.chunks(GROUP).zip(a).zip(b).zip(c).zip(d) {
        let mut sums = zero;
        for ((((x, a), b), c), d) in x.iter().zip(a).zip(b).zip(c).zip(d) {
            prefetch_lines::<LINES>(ahead);
            ahead = ahead.wrapping_add(64 * LINES);
            for (r, row) in [a, b, c, d].into_iter().enumerate() {
                sums[r] = block(sums[r], &row[0], &x[0]);
                sums[r] = block(sums[r], &row[1], &x[1]);
            }
        }
        widen(sums);
    }
    if let [x] = x_rest {
        let mut sums = zero;
        for r in 0..ROWS {
            sums[r] = block(sums[r], &rows[r].1[0], x);
        }
        widen(sums);
    }
    // Every lane of `by4` is a multiple of four: the shift is exact.
    let total = core::array::from_fn(|r| vsraq_n_s32::<2>(once[r], by4[r]));
    sum::across4(total).map(|sum| sum - offset)
}

/// Planes 0, 2 and 3 at their value, and plane 1 at four times it.
type Sums = [int16x8_t; 2];

/// One block of one row.
#[inline]
#[target_feature(enable = "neon")]
fn block([once, by4]: Sums, bytes: &Packed, x: &XBlock) -> Sums {
    let bytes = bytes.load();
    let code = |bits: uint8x16_t, mask| vreinterpretq_s8_u8(vandq_u8(bits, vdupq_n_u8(mask)));
    let once = multiply_add(once, code(bytes, 0x03), x[0].load());
    let by4 = multiply_add(by4, code(bytes, 0x0c), x[1].load());
    let once = multiply_add(once, code(vshrq_n_u8::<4>(bytes), 0x03), x[2].load());
    [multiply_add(once, vshrq_n_s8::<6>(vreinterpretq_s8_u8(bytes)), x[3].load()), by4]
}

/// `acc[i] += w[i] x[i] + w[8 + i] x[8 + i]`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn multiply_add(acc: int16x8_t, w: int8x16_t, x: int8x16_t) -> int16x8_t {
    vmlal_high_s8(vmlal_s8(acc, vget_low_s8(w), vget_low_s8(x)), w, x)
}
