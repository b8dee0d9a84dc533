//! The frame of both ternary GEMVs: rows four at a time, and the correction for codes that are `trit + 1`.

use core::arch::aarch64::{vaddvq_s32, vdupq_n_s32, vpadalq_s16, vpaddlq_s8};

use super::load::{Aligned, Load, expect_aligned};
use super::rows::{ROWS, rows_of};
use crate::layout::i2::{BLOCK_BYTES, OFFSET_ELEMENTS, row_bytes};

/// Rows ahead of the loads that are asked for, in the order of memory: four rows that advance together look to the
/// hardware like four short streams.
pub(super) const AHEAD: usize = 2 * ROWS;

/// The 64 weights of a block.
pub(super) type WeightBlock = Aligned<[u8; BLOCK_BYTES]>;
/// One block of a token's activations, by plane.
pub(super) type XBlock = [Aligned<[i8; BLOCK_BYTES]>; 4];

/// `dot_rows` sums `code · x`, the codes of planes 0 to 2 being `trit + 1`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemv(
    w: &[u8],
    n: usize,
    k: usize,
    x: &[i8],
    out: &mut [i32],
    dot_rows: impl Fn([&[WeightBlock]; ROWS], &[XBlock]) -> [i32; ROWS],
) {
    let w = expect_aligned(w.as_chunks::<BLOCK_BYTES>().0);
    let (x, _) = expect_aligned(x.as_chunks::<BLOCK_BYTES>().0).as_chunks::<4>();
    let n_blocks = row_bytes(k) / BLOCK_BYTES;
    let offset = offset(x);
    for (tile, out) in out.chunks_mut(ROWS).enumerate() {
        let sums = dot_rows(rows_of(w, n, n_blocks, n_blocks, tile), x);
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum - offset;
        }
    }
}

/// What the planes of `trit + 1` add to every row: the sum of their activations.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn offset(x: &[XBlock]) -> i32 {
    const { assert!(OFFSET_ELEMENTS == 3 * BLOCK_BYTES) };
    let mut sum = vdupq_n_s32(0);
    for [plane0, plane1, plane2, _] in x {
        for plane in [plane0, plane1, plane2] {
            sum = vpadalq_s16(sum, vpaddlq_s8(plane.load()));
        }
    }
    vaddvq_s32(sum)
}

/// The activations by blocks.
#[inline]
pub(super) fn x_blocks(x: &[i8]) -> &[XBlock] {
    expect_aligned(x.as_chunks::<BLOCK_BYTES>().0).as_chunks().0
}
