//! What the GEMVs of `i2` share: activations by blocks, and the correction for codes that are `trit + 1`.

use core::arch::aarch64::{vaddvq_s32, vdupq_n_s32, vpadalq_s16, vpaddlq_s8};

use super::load::{Aligned, Load, expect_aligned};
use crate::layout::i2::{BLOCK_BYTES, OFFSET_ELEMENTS};

/// One block of a token's activations, by plane.
pub(super) type XBlock = [Aligned<[i8; BLOCK_BYTES]>; 4];

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
