//! Ternary products by columns with `SMLAL`: eight listed columns are decoded once for all tokens.
//!
//! An output is a lane, so nothing is added across: products of eight columns meet in int16 lanes, and the sums are
//! widened into `acc`.

use core::arch::aarch64::{
    int8x16_t, vaddw_high_s16, vaddw_s16, vdupq_n_s8, vget_low_s8, vget_low_s16, vmlal_high_s8, vmlal_s8,
    vmull_high_s8, vmull_s8,
};
use core::ops::Range;

use crate::layout::i2::k_padded;
use crate::layout::{i2, t5, tl2};
use crate::neon::columns::Columns;
use crate::neon::decode::{self, Group, LANES};
use crate::neon::load::{Load, opaque, store_i32x4};
use crate::neon::rows::ROWS;
use crate::neon::ternary_rows::Packed;
use crate::neon::tl2::VECTORS;

/// Columns that are decoded together, in fours.
const FOURS: usize = 2;
const EIGHT: usize = FOURS * ROWS;
/// Sixteens of outputs that are decoded at once, 10 KiB: whole blocks of i2 and t5.
const PART: usize = 80;

const _: () = assert!((PART * LANES).is_multiple_of(i2::BLOCK) && (PART * LANES).is_multiple_of(t5::BLOCK));
const _: () = assert!(EIGHT * 2 * 128 < 1 << 15);

/// Sixteen outputs of eight columns.
type Trits = [[int8x16_t; EIGHT]; PART];

#[target_feature(enable = "neon")]
pub(super) fn gemm_columns_i8_i2(
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &mut [i32],
) {
    const BLOCKS: usize = PART * LANES / i2::BLOCK;
    let columns = Columns::new(w, i2::row_bytes(n), outputs, columns);
    gemm(&columns, PART * LANES, k, m, x, acc, |output, first, trits| {
        let start = output / i2::BLOCK;
        for four in 0..FOURS {
            let part = four_columns(&columns, first + four * ROWS, start, start + BLOCKS);
            decode::i2(part, |group, vectors| put(trits, group, four, vectors));
        }
    });
}

#[target_feature(enable = "neon")]
pub(super) fn gemm_columns_i8_t5(
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &mut [i32],
) {
    const BLOCKS: usize = PART * LANES / t5::BLOCK;
    let columns = Columns::new(w, t5::row_bytes(n), outputs, columns);
    gemm(&columns, PART * LANES, k, m, x, acc, |output, first, trits| {
        let start = output / t5::BLOCK;
        for four in 0..FOURS {
            let part = four_columns(&columns, first + four * ROWS, start, start + BLOCKS);
            decode::t5(part, |group, vectors| put(trits, group, four, vectors));
        }
    });
}

#[target_feature(enable = "neon")]
pub(super) fn gemm_columns_i8_tl2(
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &mut [i32],
) {
    const BLOCKS: usize = PART * LANES / tl2::BLOCK;
    let columns = Columns::new(w, tl2::row_bytes(n), outputs, columns);
    gemm(&columns, BLOCKS * tl2::BLOCK, k, m, x, acc, |output, first, trits| {
        let start = output / tl2::BLOCK;
        let blocks = (n / tl2::BLOCK - start).min(BLOCKS);
        // A part that is not full takes the i2 tail as well.
        let end = if blocks == BLOCKS { (start + BLOCKS) * VECTORS } else { columns.packed };
        for four in 0..FOURS {
            let part = four_columns(&columns, first + four * ROWS, start * VECTORS, end);
            decode::tl2(part, blocks, |group, vectors| put(trits, group, four, vectors));
        }
    });
}

/// Vectors `start..end`, or to the end of the column, of four listed columns.
#[inline]
fn four_columns<'w>(columns: &Columns<'w>, first: usize, start: usize, end: usize) -> [&'w [Packed]; ROWS] {
    [0, 1, 2, 3].map(|i| columns.part(first + i, start..end.min(columns.packed)))
}

#[inline(always)]
fn put(trits: &mut Trits, group: usize, four: usize, vectors: Group) {
    trits[group][four * ROWS..][..ROWS].copy_from_slice(&vectors);
}

/// `decode(output, column, trits)` decodes eight columns of the list from the `column`th on: `part` outputs of them from
/// `output` on, or as many as there are.
#[inline]
#[target_feature(enable = "neon")]
fn gemm(
    columns: &Columns<'_>,
    part: usize,
    k: usize,
    m: usize,
    x: &[i8],
    acc: &mut [i32],
    decode: impl Fn(usize, usize, &mut Trits),
) {
    let Range { start, end } = columns.outputs;
    let width = end - start;
    let mut trits = [[vdupq_n_s8(0); EIGHT]; PART];
    for output in (start..end).step_by(part) {
        let used = part.min(end - output);
        for (eight, list) in columns.list.chunks(EIGHT).enumerate() {
            decode(output, eight * EIGHT, &mut trits);
            for t in 0..m {
                // Columns past the list's end are times zero.
                let mut values = [vdupq_n_s8(0); EIGHT];
                for (value, column) in values.iter_mut().zip(list) {
                    // Opaque, or the compiler sees equal halves and multiplies by one of them after moving the other operand.
                    *value = opaque(vdupq_n_s8(x[t * k_padded(k) + *column as usize]));
                }
                let acc = &mut acc[t * width + output - start..][..used];
                let (groups, rest) = acc.as_chunks_mut::<LANES>();
                for (trits, acc) in trits.iter().zip(groups.iter_mut()) {
                    add(trits, &values, acc);
                }
                if !rest.is_empty() {
                    let mut group = [0; LANES];
                    group[..rest.len()].copy_from_slice(rest);
                    add(&trits[groups.len()], &values, &mut group);
                    rest.copy_from_slice(&group[..rest.len()]);
                }
            }
        }
    }
}

/// Adds sixteen outputs of eight columns.
#[inline]
#[target_feature(enable = "neon")]
fn add(trits: &[int8x16_t; EIGHT], x: &[int8x16_t; EIGHT], acc: &mut [i32; LANES]) {
    let mut low = vmull_s8(vget_low_s8(trits[0]), vget_low_s8(x[0]));
    let mut high = vmull_high_s8(trits[0], x[0]);
    for c in 1..EIGHT {
        low = vmlal_s8(low, vget_low_s8(trits[c]), vget_low_s8(x[c]));
        high = vmlal_high_s8(high, trits[c], x[c]);
    }
    let (quads, _) = acc.as_chunks_mut::<4>();
    for (quads, sums) in quads.chunks_exact_mut(2).zip([low, high]) {
        let first = vaddw_s16(quads[0].load(), vget_low_s16(sums));
        let second = vaddw_high_s16(quads[1].load(), sums);
        store_i32x4(&mut quads[0], first);
        store_i32x4(&mut quads[1], second);
    }
}
