//! Packed weights as plain trits, four rows at a time (or four columns), for products with many tokens.
//!
//! Sixteen elements of each row come out together, `emit(group, vectors)`, in the order of elements. What lies past the
//! last element is trit 0, because packing writes so.

use core::arch::aarch64::{
    int8x16_t, uint8x16_t, vaddq_s8, vandq_u8, vbslq_u8, vcgtq_s8, vdupq_n_s8, vdupq_n_u8, vqtbl2q_s8,
    vreinterpretq_s8_u8, vshrq_n_s8, vshrq_n_u8, vsriq_n_u8, vsubq_s8,
};

use super::load::Load;
use super::rows::ROWS;
use super::ternary_rows::Packed;
use super::tl2::{VECTORS, tables};
use crate::layout::t5::DIGITS;
use crate::layout::tl2::BLOCK;

/// Elements of a vector.
pub(super) const LANES: usize = 16;

/// Sixteen elements of each of four rows.
pub(super) type Group = [int8x16_t; ROWS];

/// The blocks of `i2` rows.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn i2(rows: [&[Packed]; ROWS], mut emit: impl FnMut(usize, Group)) {
    let one = vdupq_n_s8(1);
    let trit = |bits: uint8x16_t| vsubq_s8(vreinterpretq_s8_u8(vandq_u8(bits, vdupq_n_u8(3))), one);
    for b in 0..rows[0].len() {
        let bytes = rows.map(|row| row[b].load());
        emit(4 * b, bytes.map(&trit));
        emit(4 * b + 1, bytes.map(|bytes| trit(vshrq_n_u8::<2>(bytes))));
        emit(4 * b + 2, bytes.map(|bytes| trit(vshrq_n_u8::<4>(bytes))));
        emit(4 * b + 3, bytes.map(|bytes| vshrq_n_s8::<6>(vreinterpretq_s8_u8(bytes))));
    }
}

/// The blocks of `t5` rows.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn t5(rows: [&[Packed]; ROWS], mut emit: impl FnMut(usize, Group)) {
    for b in 0..rows[0].len() {
        let mut s = rows.map(|row| vreinterpretq_s8_u8(row[b].load()));
        for digit in 0..DIGITS {
            emit(DIGITS * b + digit, s.map(|s| first_digit(s)));
            s = s.map(|s| vaddq_s8(vaddq_s8(s, s), s));
        }
    }
}

/// The first digit of bytes of `t5`: -1 below -42, +1 above 42.
#[inline]
#[target_feature(enable = "neon")]
fn first_digit(s: int8x16_t) -> int8x16_t {
    let is_minus = vreinterpretq_s8_u8(vcgtq_s8(vdupq_n_s8(-42), s));
    let is_plus = vreinterpretq_s8_u8(vcgtq_s8(s, vdupq_n_s8(42)));
    vsubq_s8(is_minus, is_plus)
}

/// Some of the blocks of `tl2` rows, and after them all the blocks of `i2` that follow.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn tl2(rows: [&[Packed]; ROWS], blocks: usize, mut emit: impl FnMut(usize, Group)) {
    const GROUPS: usize = BLOCK / LANES;
    let tables = tables();
    let low = |v: [uint8x16_t; ROWS]| v.map(|v| vandq_u8(v, vdupq_n_u8(31)));
    for b in 0..blocks {
        let mut triples = |q: usize, indices: [uint8x16_t; ROWS]| {
            for (i, table) in tables.into_iter().enumerate() {
                emit(GROUPS * b + 3 * q + i, indices.map(|row| vqtbl2q_s8(table, row)));
            }
        };
        let vector = |i: usize| rows.map(|row| row[b * VECTORS..][..VECTORS][i].load());
        // In the order that keeps fewest vectors alive.
        let (v0, v1) = (vector(0), vector(1));
        triples(0, low(v0));
        triples(1, low(v1));
        triples(5, core::array::from_fn(|r| vsriq_n_u8::<5>(vshrq_n_u8::<3>(v1[r]), v0[r])));
        let (v2, v3) = (vector(2), vector(3));
        triples(2, low(v2));
        triples(3, low(v3));
        triples(6, core::array::from_fn(|r| vsriq_n_u8::<5>(vshrq_n_u8::<3>(v3[r]), v2[r])));
        let v4 = vector(4);
        triples(4, low(v4));
        let upper: [_; ROWS] = core::array::from_fn(|r| {
            vbslq_u8(vdupq_n_u8(0x10), vshrq_n_u8::<1>(v3[r]), vshrq_n_u8::<2>(v1[r]))
        });
        triples(7, low(core::array::from_fn(|r| vsriq_n_u8::<5>(upper[r], v4[r]))));
    }
    i2(rows.map(|row| &row[blocks * VECTORS..]), |group, vectors| emit(GROUPS * blocks + group, vectors));
}
