//! One token times listed columns of `i2`: zipped as packed bytes, decoded after.
//!
//! Four columns zipped byte by byte make an operand whose masked planes are four outputs by four columns each, so eight
//! zips serve 256 weights. Planes stay at their powers of two, in sums of their own on the stack, which are scaled and
//! added to `acc` once for all columns: they stay below 2^31, a plane being at most 64 · 2 · 128 per column.

use core::arch::aarch64::{
    int32x4_t, vandq_s8, vdupq_n_s8, vdupq_n_s32, vreinterpretq_s8_u8, vshrq_n_s32, vsubq_s32,
};

use super::tile::{of_columns, sdot_by_element};
use crate::layout::i2::BLOCK;
use crate::neon::columns::Columns;
use crate::neon::gemm_rows::add_some;
use crate::neon::load::{Aligned, Load, prefetch_lines};
use crate::neon::ternary_rows::Packed;
use crate::shape::MAX_K;

/// Columns of a pass over the sums: two operands, which share the loads and stores of sums.
const PASS: usize = 8;
/// Blocks whose sums stand on the stack at once, 10 KiB of them: a whole column of 2560.
const PART: usize = 40;
/// Blocks of a cache line.
const LINE: usize = 4;

const _: () = assert!(MAX_K as u64 * 64 * 2 * 128 < 1 << 31);

/// Sums of a block: four vectors of each plane.
type Sums = [[int32x4_t; 4]; 4];

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv(columns: &Columns<'_>, x: &[i8], acc: &mut [i32]) {
    let start = columns.outputs.start / BLOCK;
    let offset = columns.list.iter().map(|column| i32::from(x[*column as usize])).sum();
    for (part, acc) in acc.chunks_mut(PART * BLOCK).enumerate() {
        let first = start + part * PART;
        let mut sums = [[[vdupq_n_s32(0); 4]; 4]; PART];
        let sums = &mut sums[..acc.len().div_ceil(BLOCK)];
        for (pass, list) in columns.list.chunks(PASS).enumerate() {
            let mut values = [0; 16];
            for (value, column) in values.iter_mut().zip(list) {
                *value = x[*column as usize];
            }
            let each = |pass: usize| {
                core::array::from_fn(|i| columns.part(pass * PASS + i, first..first + sums.len()))
            };
            add_columns(sums, each(pass), each(pass + 1), &Aligned(values));
        }
        for (sums, acc) in sums.iter().zip(acc.chunks_mut(BLOCK)) {
            add_block(*sums, offset, acc);
        }
    }
}

/// Adds eight columns to the sums of their blocks, and asks for the next eight.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_columns(
    sums: &mut [Sums],
    columns: [&[Packed]; PASS],
    next: [&[Packed]; PASS],
    x: &Aligned<[i8; 16]>,
) {
    let x = x.load();
    let [a, b, c, d, e, f, g, h] = columns.map(|column| &column[..sums.len()]);
    for (i, sums) in sums.iter_mut().enumerate() {
        if i.is_multiple_of(LINE) {
            for column in next {
                prefetch_lines::<1>(column.as_ptr().wrapping_add(i).cast());
            }
        }
        let bytes = |column: &Packed| vreinterpretq_s8_u8(column.load());
        let first = of_columns([bytes(&a[i]), bytes(&b[i]), bytes(&c[i]), bytes(&d[i])]);
        let second = of_columns([bytes(&e[i]), bytes(&f[i]), bytes(&g[i]), bytes(&h[i])]);
        for (plane, mask) in [0x03, 0x0c, 0x30, -0x40].into_iter().enumerate() {
            let mask = vdupq_n_s8(mask);
            for q in 0..4 {
                let sum = sdot_by_element::<0>(sums[plane][q], vandq_s8(first[q], mask), x);
                sums[plane][q] = sdot_by_element::<1>(sum, vandq_s8(second[q], mask), x);
            }
        }
    }
}

/// Adds the sums of a block to its outputs. Every lane is a multiple of its plane's factor: the shifts are exact.
#[inline]
#[target_feature(enable = "neon")]
fn add_block([once, by4, by16, by64]: Sums, offset: i32, acc: &mut [i32]) {
    let offset = vdupq_n_s32(offset);
    let planes = [
        once.map(|sum| vsubq_s32(sum, offset)),
        by4.map(|sum| vsubq_s32(vshrq_n_s32::<2>(sum), offset)),
        by16.map(|sum| vsubq_s32(vshrq_n_s32::<4>(sum), offset)),
        by64.map(|sum| vshrq_n_s32::<6>(sum)),
    ];
    for (acc, sum) in acc.chunks_mut(4).zip(planes.as_flattened()) {
        add_some(acc, *sum);
    }
}
