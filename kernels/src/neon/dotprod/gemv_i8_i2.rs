//! Ternary GEMV of `i2` with `SDOT`: four masks decode 64 weights, each plane at its own power of two.
//!
//! Cortex-A76 has one vector shift a cycle and two of everything else, so no plane is shifted: `b & 0x03`, `& 0x0c`,
//! `& 0x30` and `& 0xc0` are 1, 4, 16 and 64 times the plane, in four accumulators that are scaled once per row. Eight
//! instructions per 64 weights: 4 cycles on A76 (limits of its two vector pipes).
#![expect(unsafe_code, reason = "SDOT has no stable intrinsic")]

use core::arch::aarch64::{
    int32x4_t, uint8x16_t, vandq_u8, vdupq_n_s32, vdupq_n_u8, vreinterpretq_s8_u8, vsraq_n_s32,
};
use core::arch::asm;

use super::sdot::sdot;
use crate::layout::i2::{BLOCK_BYTES, row_bytes};
use crate::neon::gemv_i8_i2::{XBlock, offset, x_blocks};
use crate::neon::load::{Load, prefetch_lines};
use crate::neon::rows::ROWS;
use crate::neon::sum;
use crate::neon::ternary_rows::{Packed, RowGroup, gemv};

/// Blocks of a step: a cache line of each row.
const STEP: usize = 4;
/// Cache lines that a step reads.
const LINES: usize = ROWS * STEP * BLOCK_BYTES / 64;

/// Sums of a row, by plane.
type Sums = [int32x4_t; 4];

#[target_feature(enable = "neon,dotprod")]
pub(in crate::neon) fn gemv_i8_i2(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    products::<false>(w, k, &[], x, out);
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv_rows_i8_i2(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    products::<true>(w, k, rows, x, out);
}

#[target_feature(enable = "neon,dotprod")]
fn products<const LISTED: bool>(w: &[u8], k: usize, list: &[u32], x: &[i8], out: &mut [i32]) {
    let blocks = x_blocks(x);
    let offset = offset(blocks);
    gemv::<LISTED>(w, row_bytes(k), list, x, out, |group| dot_rows(group, blocks, offset));
}

/// `Σ w · x` of four rows.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn dot_rows(group: RowGroup<'_>, x: &[XBlock], offset: i32) -> [i32; ROWS] {
    let mut acc = [[vdupq_n_s32(0); 4]; ROWS];
    let masks = [0x03, 0x0c, 0x30, 0xc0].map(|mask| -> uint8x16_t { vdupq_n_u8(mask) });
    let (x_steps, x_rest) = x.as_chunks::<STEP>();
    let rows = group.rows.map(|row| row[..x.len()].as_chunks::<STEP>());
    let [a, b, c, d] = rows.map(|(steps, _)| &steps[..x_steps.len()]);
    let mut ahead = group.ahead;
    for ((((x, a), b), c), d) in x_steps.iter().zip(a).zip(b).zip(c).zip(d) {
        prefetch_lines::<LINES>(ahead);
        ahead = ahead.wrapping_add(64 * LINES);
        two_blocks::<0>(&mut acc, [a, b, c, d], x, &masks);
        two_blocks::<1>(&mut acc, [a, b, c, d], x, &masks);
    }
    for (i, x) in x_rest.iter().enumerate() {
        let x = x.each_ref().map(Load::load);
        for r in 0..ROWS {
            let bytes = rows[r].1[i].load();
            for plane in 0..4 {
                let code = vreinterpretq_s8_u8(vandq_u8(bytes, masks[plane]));
                acc[r][plane] = sdot(acc[r][plane], code, x[plane]);
            }
        }
    }
    sum::across4(acc.map(|planes| unscale(planes))).map(|sum| sum - offset)
}

/// One half of a step. In assembly, because it takes all 32 registers: 16 sums, 4 masks, 8 vectors of activations,
/// 2 of weights and 2 planes. The compiler, which loads early, spills.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn two_blocks<const HALF: usize>(
    acc: &mut [Sums; ROWS],
    rows: [&[Packed; STEP]; ROWS],
    x: &[XBlock; STEP],
    masks: &[uint8x16_t; 4],
) {
    // SAFETY: the caller's target features include dotprod; every load is of 16 or 32 bytes inside one of the
    // references, whose types are aligned.
    unsafe {
        asm!(
            // The activations of both blocks.
            "ldp {x0:q}, {x1:q}, [{x}, #{x_at} + 0]",
            "ldp {x2:q}, {x3:q}, [{x}, #{x_at} + 32]",
            "ldp {x4:q}, {x5:q}, [{x}, #{x_at} + 64]",
            "ldp {x6:q}, {x7:q}, [{x}, #{x_at} + 96]",
            // Row 0: two blocks, planes 0 and 1, then 2 and 3.
            "ldp {w0:q}, {w1:q}, [{row0}, #{at}]",
            "and {plane:v}.16b, {w0:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w0:v}.16b, {mask1:v}.16b",
            "sdot {acc00:v}.4s, {plane:v}.16b, {x0:v}.16b",
            "sdot {acc01:v}.4s, {other:v}.16b, {x1:v}.16b",
            "and {plane:v}.16b, {w0:v}.16b, {mask2:v}.16b",
            "and {w0:v}.16b, {w0:v}.16b, {mask3:v}.16b",
            "sdot {acc02:v}.4s, {plane:v}.16b, {x2:v}.16b",
            "sdot {acc03:v}.4s, {w0:v}.16b, {x3:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w1:v}.16b, {mask1:v}.16b",
            "sdot {acc00:v}.4s, {plane:v}.16b, {x4:v}.16b",
            "sdot {acc01:v}.4s, {other:v}.16b, {x5:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask2:v}.16b",
            "and {w1:v}.16b, {w1:v}.16b, {mask3:v}.16b",
            "sdot {acc02:v}.4s, {plane:v}.16b, {x6:v}.16b",
            "sdot {acc03:v}.4s, {w1:v}.16b, {x7:v}.16b",
            // Row 1: two blocks, planes 0 and 1, then 2 and 3.
            "ldp {w0:q}, {w1:q}, [{row1}, #{at}]",
            "and {plane:v}.16b, {w0:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w0:v}.16b, {mask1:v}.16b",
            "sdot {acc10:v}.4s, {plane:v}.16b, {x0:v}.16b",
            "sdot {acc11:v}.4s, {other:v}.16b, {x1:v}.16b",
            "and {plane:v}.16b, {w0:v}.16b, {mask2:v}.16b",
            "and {w0:v}.16b, {w0:v}.16b, {mask3:v}.16b",
            "sdot {acc12:v}.4s, {plane:v}.16b, {x2:v}.16b",
            "sdot {acc13:v}.4s, {w0:v}.16b, {x3:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w1:v}.16b, {mask1:v}.16b",
            "sdot {acc10:v}.4s, {plane:v}.16b, {x4:v}.16b",
            "sdot {acc11:v}.4s, {other:v}.16b, {x5:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask2:v}.16b",
            "and {w1:v}.16b, {w1:v}.16b, {mask3:v}.16b",
            "sdot {acc12:v}.4s, {plane:v}.16b, {x6:v}.16b",
            "sdot {acc13:v}.4s, {w1:v}.16b, {x7:v}.16b",
            // Row 2: two blocks, planes 0 and 1, then 2 and 3.
            "ldp {w0:q}, {w1:q}, [{row2}, #{at}]",
            "and {plane:v}.16b, {w0:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w0:v}.16b, {mask1:v}.16b",
            "sdot {acc20:v}.4s, {plane:v}.16b, {x0:v}.16b",
            "sdot {acc21:v}.4s, {other:v}.16b, {x1:v}.16b",
            "and {plane:v}.16b, {w0:v}.16b, {mask2:v}.16b",
            "and {w0:v}.16b, {w0:v}.16b, {mask3:v}.16b",
            "sdot {acc22:v}.4s, {plane:v}.16b, {x2:v}.16b",
            "sdot {acc23:v}.4s, {w0:v}.16b, {x3:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w1:v}.16b, {mask1:v}.16b",
            "sdot {acc20:v}.4s, {plane:v}.16b, {x4:v}.16b",
            "sdot {acc21:v}.4s, {other:v}.16b, {x5:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask2:v}.16b",
            "and {w1:v}.16b, {w1:v}.16b, {mask3:v}.16b",
            "sdot {acc22:v}.4s, {plane:v}.16b, {x6:v}.16b",
            "sdot {acc23:v}.4s, {w1:v}.16b, {x7:v}.16b",
            // Row 3: two blocks, planes 0 and 1, then 2 and 3.
            "ldp {w0:q}, {w1:q}, [{row3}, #{at}]",
            "and {plane:v}.16b, {w0:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w0:v}.16b, {mask1:v}.16b",
            "sdot {acc30:v}.4s, {plane:v}.16b, {x0:v}.16b",
            "sdot {acc31:v}.4s, {other:v}.16b, {x1:v}.16b",
            "and {plane:v}.16b, {w0:v}.16b, {mask2:v}.16b",
            "and {w0:v}.16b, {w0:v}.16b, {mask3:v}.16b",
            "sdot {acc32:v}.4s, {plane:v}.16b, {x2:v}.16b",
            "sdot {acc33:v}.4s, {w0:v}.16b, {x3:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask0:v}.16b",
            "and {other:v}.16b, {w1:v}.16b, {mask1:v}.16b",
            "sdot {acc30:v}.4s, {plane:v}.16b, {x4:v}.16b",
            "sdot {acc31:v}.4s, {other:v}.16b, {x5:v}.16b",
            "and {plane:v}.16b, {w1:v}.16b, {mask2:v}.16b",
            "and {w1:v}.16b, {w1:v}.16b, {mask3:v}.16b",
            "sdot {acc32:v}.4s, {plane:v}.16b, {x6:v}.16b",
            "sdot {acc33:v}.4s, {w1:v}.16b, {x7:v}.16b",
            acc00 = inout(vreg) acc[0][0], acc01 = inout(vreg) acc[0][1], acc02 = inout(vreg) acc[0][2], acc03 = inout(vreg) acc[0][3],
            acc10 = inout(vreg) acc[1][0], acc11 = inout(vreg) acc[1][1], acc12 = inout(vreg) acc[1][2], acc13 = inout(vreg) acc[1][3],
            acc20 = inout(vreg) acc[2][0], acc21 = inout(vreg) acc[2][1], acc22 = inout(vreg) acc[2][2], acc23 = inout(vreg) acc[2][3],
            acc30 = inout(vreg) acc[3][0], acc31 = inout(vreg) acc[3][1], acc32 = inout(vreg) acc[3][2], acc33 = inout(vreg) acc[3][3],
            mask0 = in(vreg) masks[0], mask1 = in(vreg) masks[1], mask2 = in(vreg) masks[2], mask3 = in(vreg) masks[3],
            x0 = out(vreg) _, x1 = out(vreg) _, x2 = out(vreg) _, x3 = out(vreg) _,
            x4 = out(vreg) _, x5 = out(vreg) _, x6 = out(vreg) _, x7 = out(vreg) _,
            w0 = out(vreg) _, w1 = out(vreg) _, plane = out(vreg) _, other = out(vreg) _,
            row0 = in(reg) rows[0], row1 = in(reg) rows[1], row2 = in(reg) rows[2], row3 = in(reg) rows[3],
            x = in(reg) x, at = const 32 * HALF, x_at = const 128 * HALF,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
}

/// Planes at 1, 4, 16 and 64 times their value, added. Every lane is a multiple of its factor: the shifts are exact.
#[inline]
#[target_feature(enable = "neon")]
fn unscale([once, by4, by16, by64]: Sums) -> int32x4_t {
    vsraq_n_s32::<6>(vsraq_n_s32::<4>(vsraq_n_s32::<2>(once, by4), by16), by64)
}
