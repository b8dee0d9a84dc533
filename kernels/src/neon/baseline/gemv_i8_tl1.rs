//! Ternary GEMV of `tl1` by look-up: nothing is multiplied by a weight.
//!
//! The nine sums that a pair of activations can make, plus 256 so that none is negative, fit ten bits (nine but for twice -128). They stand in
//! two tables of sixteen bytes, all but the lower four bits and those, and one `TBL` looks up either for sixteen rows.
//! Bytes are added as bytes: seven of the upper and fourteen of the lower fit before they are widened to int16. That is
//! ten vector instructions and two loads per 64 weights; the tables are made once for all rows.
//!
//! Where a look-up costs more than one operation (Cortex-A72: llvm-mca's model of it has three), `i2` with `SMLAL` takes
//! fewer cycles although it takes more instructions.

use core::arch::aarch64::{
    int8x16_t, int16x8_t, int32x4_t, uint8x16_t, uint16x8_t, vaddq_u8, vaddw_high_u8, vaddw_high_u16,
    vaddw_u8, vaddw_u16, vandq_u8, vcombine_u8, vdupq_n_s16, vdupq_n_s32, vdupq_n_u8, vdupq_n_u16,
    vget_low_s8, vget_low_u8, vget_low_u16, vmlaq_laneq_s16, vmovl_high_s8, vmovl_s8, vmovn_u16, vqtbl1q_u8,
    vreinterpretq_s32_u32, vreinterpretq_u16_s16, vshll_high_n_u16, vshll_n_u16, vshrn_n_u16, vshrq_n_u8,
    vsubq_s32,
};

use crate::layout::tl1::{PAIR_BYTES, TILE_ROWS, WEIGHTS, tile_bytes};
use crate::neon::gemm_rows::add_some;
use crate::neon::load::{Aligned, Load, expect_aligned, store_u8x16};
use crate::neon::ternary_rows::{Packed, vectors};

/// What is added to a sum of two activations, -256..=256, to make it 0..512.
const BIAS: i16 = 256;
/// Bits of a sum in the lower table.
const LOWER_BITS: i32 = 4;
/// Pairs whose upper bytes, at most 32, add up in a byte; the lower, at most 15, go twice as far.
const UPPER_RUN: usize = 7;
const LOWER_RUN: usize = 14;
/// Pairs whose tables stand on the stack at once, 7 KiB: whole runs, and whole vectors of activations.
const PART: usize = 16 * LOWER_RUN;
/// Pairs in a vector of activations.
const PAIRS: usize = 8;

const _: () = assert!(UPPER_RUN * 32 < 256 && LOWER_RUN * 15 < 256 && LOWER_RUN == 2 * UPPER_RUN);
const _: () = assert!(PART * 32 < 1 << 16 && PART.is_multiple_of(PAIRS));

/// Two weights by index, one table for each.
static INDEXED: [Aligned<[i8; 16]>; 2] = {
    let mut tables = [Aligned([0; 16]); 2];
    let mut at = 0;
    while at < 32 {
        tables[at / 16].0[at % 16] = WEIGHTS[at % 16][at / 16];
        at += 1;
    }
    tables
};

/// The upper and the lower bits of a pair's sums, by index.
type Tables = [Aligned<[u8; 16]>; 2];

#[target_feature(enable = "neon")]
pub(in crate::neon) fn gemv_i8_tl1(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    debug_assert_eq!(out.len(), n);
    let w = expect_aligned(w.as_chunks::<PAIR_BYTES>().0);
    let per_tile = tile_bytes(k) / PAIR_BYTES;
    let x = vectors(x);
    out.fill(0);
    for start in (0..per_tile).step_by(PART) {
        let end = per_tile.min(start + PART);
        let mut tables = [[Aligned([0; 16]); 2]; PART];
        let tables = &mut tables[..end - start];
        for (tables, x) in tables.chunks_mut(PAIRS).zip(&x[start / PAIRS..]) {
            let eight = tables_of(x.load());
            tables.copy_from_slice(&eight[..tables.len()]);
        }
        for (tile, out) in out.chunks_mut(TILE_ROWS).enumerate() {
            let pairs = &w[tile * per_tile..][..per_tile][start..end];
            for (sums, out) in tile_sums(pairs, tables).into_iter().zip(out.chunks_mut(4)) {
                add_some(out, sums);
            }
        }
    }
}

/// The tables of eight pairs. Taken from registers, because a loop over activations would load them byte by byte.
#[inline]
#[target_feature(enable = "neon")]
fn tables_of(x: int8x16_t) -> [Tables; PAIRS] {
    let (low, high) = (vmovl_s8(vget_low_s8(x)), vmovl_high_s8(x));
    [
        pair::<0, 1>(low),
        pair::<2, 3>(low),
        pair::<4, 5>(low),
        pair::<6, 7>(low),
        pair::<0, 1>(high),
        pair::<2, 3>(high),
        pair::<4, 5>(high),
        pair::<6, 7>(high),
    ]
}

/// The nine sums of a pair of activations. Indices that are never written give the sum of none.
#[inline]
#[target_feature(enable = "neon")]
fn pair<const A: i32, const B: i32>(x: int16x8_t) -> Tables {
    let sums = |a: int16x8_t, b: int16x8_t| -> uint16x8_t {
        let sums = vmlaq_laneq_s16::<A>(vdupq_n_s16(BIAS), a, x);
        vreinterpretq_u16_s16(vmlaq_laneq_s16::<B>(sums, b, x))
    };
    let [a, b]: [int8x16_t; 2] = INDEXED.each_ref().map(Load::load);
    let low = sums(vmovl_s8(vget_low_s8(a)), vmovl_s8(vget_low_s8(b)));
    let high = sums(vmovl_high_s8(a), vmovl_high_s8(b));
    let upper = vcombine_u8(vshrn_n_u16::<LOWER_BITS>(low), vshrn_n_u16::<LOWER_BITS>(high));
    let lower = vandq_u8(vcombine_u8(vmovn_u16(low), vmovn_u16(high)), vdupq_n_u8((1 << LOWER_BITS) - 1));
    let mut tables = [Aligned([0; 16]); 2];
    store_u8x16(&mut tables[0], upper);
    store_u8x16(&mut tables[1], lower);
    tables
}

/// The sums of the rows of a tile, in order.
#[inline]
#[target_feature(enable = "neon")]
fn tile_sums(pairs: &[Packed], tables: &[Tables]) -> [int32x4_t; TILE_ROWS / 4] {
    // Eight rows each.
    let mut upper = [vdupq_n_u16(0); 4];
    let mut lower = [vdupq_n_u16(0); 4];
    let (runs, rest) = pairs.as_chunks::<LOWER_RUN>();
    let (table_runs, table_rest) = tables.as_chunks::<LOWER_RUN>();
    for (pairs, tables) in runs.iter().zip(table_runs) {
        let mut bytes = [vdupq_n_u8(0); 2];
        // Twice the same, of a fixed length that the compiler unrolls.
        widen(&mut upper, add_run(&pairs[..UPPER_RUN], &tables[..UPPER_RUN], &mut bytes));
        widen(&mut upper, add_run(&pairs[UPPER_RUN..], &tables[UPPER_RUN..], &mut bytes));
        widen(&mut lower, bytes);
    }
    for (pairs, tables) in rest.chunks(UPPER_RUN).zip(table_rest.chunks(UPPER_RUN)) {
        let mut bytes = [vdupq_n_u8(0); 2];
        widen(&mut upper, add_run(pairs, tables, &mut bytes));
        widen(&mut lower, bytes);
    }
    let bias = vdupq_n_s32(i32::from(BIAS) * i32::try_from(pairs.len()).expect("a part of a tile"));
    let mut sums = [vdupq_n_s32(0); TILE_ROWS / 4];
    for (i, (upper, lower)) in upper.into_iter().zip(lower).enumerate() {
        let low = vaddw_u16(vshll_n_u16::<LOWER_BITS>(vget_low_u16(upper)), vget_low_u16(lower));
        let high = vaddw_high_u16(vshll_high_n_u16::<LOWER_BITS>(upper), lower);
        sums[2 * i] = vsubq_s32(vreinterpretq_s32_u32(low), bias);
        sums[2 * i + 1] = vsubq_s32(vreinterpretq_s32_u32(high), bias);
    }
    sums
}

/// Adds up the lower bytes of some pairs, for rows 0 to 15 and 16 to 31, and returns the upper.
#[inline]
#[target_feature(enable = "neon")]
fn add_run(pairs: &[Packed], tables: &[Tables], lower: &mut [uint8x16_t; 2]) -> [uint8x16_t; 2] {
    let nibble = vdupq_n_u8(15);
    let mut upper = [vdupq_n_u8(0); 2];
    for (pair, [upper_table, lower_table]) in pairs.iter().zip(tables) {
        let (bytes, upper_table, lower_table) = (pair.load(), upper_table.load(), lower_table.load());
        for (half, rows) in [vandq_u8(bytes, nibble), vshrq_n_u8::<4>(bytes)].into_iter().enumerate() {
            upper[half] = vaddq_u8(upper[half], vqtbl1q_u8(upper_table, rows));
            lower[half] = vaddq_u8(lower[half], vqtbl1q_u8(lower_table, rows));
        }
    }
    upper
}

/// Adds the bytes of 32 rows.
#[inline]
#[target_feature(enable = "neon")]
fn widen(sums: &mut [uint16x8_t; 4], bytes: [uint8x16_t; 2]) {
    for (sums, bytes) in sums.chunks_exact_mut(2).zip(bytes) {
        sums[0] = vaddw_u8(sums[0], vget_low_u8(bytes));
        sums[1] = vaddw_high_u8(sums[1], bytes);
    }
}
