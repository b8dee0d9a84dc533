//! What both backends know of `tl2`: its tables in registers, and its vectors in bytes.

use core::arch::aarch64::int8x16x2_t;

use super::load::{Aligned, Load};
use super::ternary_rows::{Packed, X};
use crate::layout::tl2::{BLOCK, BLOCK_BYTES, TABLES};

/// Vectors of a packed block.
pub(super) const VECTORS: usize = BLOCK_BYTES / size_of::<Packed>();
/// Vectors of a block's activations.
pub(super) const X_VECTORS: usize = BLOCK / size_of::<X>();

/// The weights of an index: first, second and third.
pub(super) type Tables = [int8x16x2_t; 3];

static IN_VECTORS: [[Aligned<[i8; 16]>; 2]; 3] = {
    let mut vectors = [[Aligned([0; 16]); 2]; 3];
    let mut at = 0;
    while at < 3 * 32 {
        vectors[at / 32][at / 16 % 2].0[at % 16] = TABLES[at / 32][at % 32];
        at += 1;
    }
    vectors
};

/// The tables, in six registers.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn tables() -> Tables {
    IN_VECTORS.each_ref().map(|[low, high]| int8x16x2_t(low.load(), high.load()))
}
