//! Ternary GEMV of `tl2` and `t5` with `SMLAL`: a row's trits as soon as they are decoded.
//!
//! Trits are at most one, so 256 products of a lane fit int16 and widening is rare.

use core::arch::aarch64::{int16x8_t, int32x4_t, vdupq_n_s8, vdupq_n_s16, vdupq_n_s32, vpadalq_s16};

use super::gemv_i8_i2::multiply_add;
use crate::layout::{t5, tl2};
use crate::neon::decode::{self, LANES};
use crate::neon::load::Load;
use crate::neon::rows::ROWS;
use crate::neon::sum;
use crate::neon::ternary_rows::{X, gemv, vectors};
use crate::neon::tl2::VECTORS;

/// Vectors of weights that are summed in int16 before widening: a lane takes two products of each. The i2 tail of tl2 has
/// weights of two at most.
const GROUP: usize = 60;
const _: () = assert!(GROUP * 2 * 2 * 128 < 1 << 15);

#[target_feature(enable = "neon")]
pub(super) fn gemv_i8_t5(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    t5_products::<false>(w, k, &[], x, out);
}

#[target_feature(enable = "neon")]
pub(super) fn gemv_rows_i8_t5(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    t5_products::<true>(w, k, rows, x, out);
}

#[target_feature(enable = "neon")]
pub(super) fn gemv_i8_tl2(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    tl2_products::<false>(w, k, &[], x, out);
}

#[target_feature(enable = "neon")]
pub(super) fn gemv_rows_i8_tl2(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    tl2_products::<true>(w, k, rows, x, out);
}

#[target_feature(enable = "neon")]
fn t5_products<const LISTED: bool>(w: &[u8], k: usize, list: &[u32], x: &[i8], out: &mut [i32]) {
    /// Blocks of a part.
    const BLOCKS: usize = GROUP / t5::DIGITS;
    let per_token = vectors(x);
    gemv::<LISTED>(w, t5::row_bytes(k), list, x, out, |group| {
        let mut total = [vdupq_n_s32(0); ROWS];
        for start in (0..group.rows[0].len()).step_by(BLOCKS) {
            let end = group.rows[0].len().min(start + BLOCKS);
            let x = &per_token[(start * t5::DIGITS).min(per_token.len())..];
            let mut sums = Sums::new(x);
            decode::t5(group.rows.map(|row| &row[start..end]), |group, trits| sums.add(group, trits));
            sums.widen(&mut total);
        }
        sum::across4(total)
    });
}

#[target_feature(enable = "neon")]
fn tl2_products<const LISTED: bool>(w: &[u8], k: usize, list: &[u32], x: &[i8], out: &mut [i32]) {
    /// Vectors of activations of a block.
    const BLOCK: usize = tl2::BLOCK / LANES;
    const { assert!(2 * BLOCK <= GROUP) };
    let x_vectors = vectors(x);
    let whole = k / tl2::BLOCK;
    gemv::<LISTED>(w, tl2::row_bytes(k), list, x, out, |group| {
        let mut total = [vdupq_n_s32(0); ROWS];
        for start in (0..whole).step_by(2) {
            let blocks = (whole - start).min(2);
            let part = group.rows.map(|row| &row[start * VECTORS..(start + blocks) * VECTORS]);
            let mut sums = Sums::new(&x_vectors[start * BLOCK..]);
            decode::tl2(part, blocks, |group, trits| sums.add(group, trits));
            sums.widen(&mut total);
        }
        let mut sums = Sums::new(&x_vectors[whole * BLOCK..]);
        decode::i2(group.rows.map(|row| &row[whole * VECTORS..]), |group, trits| sums.add(group, trits));
        sums.widen(&mut total);
        sum::across4(total)
    });
}

/// Sums of four rows in int16 lanes.
struct Sums<'x> {
    x: &'x [X],
    lanes: [int16x8_t; ROWS],
}

impl<'x> Sums<'x> {
    #[inline]
    #[target_feature(enable = "neon")]
    fn new(x: &'x [X]) -> Self {
        Self { x, lanes: [vdupq_n_s16(0); ROWS] }
    }

    /// Sixteen weights of each row. Activations may end inside the last block.
    #[inline]
    #[target_feature(enable = "neon")]
    fn add(&mut self, group: usize, trits: decode::Group) {
        let x = self.x.get(group).map_or(vdupq_n_s8(0), |x| x.load());
        for (lanes, trits) in self.lanes.iter_mut().zip(trits) {
            *lanes = multiply_add(*lanes, trits, x);
        }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn widen(self, total: &mut [int32x4_t; ROWS]) {
        for (total, lanes) in total.iter_mut().zip(self.lanes) {
            *total = vpadalq_s16(*total, lanes);
        }
    }
}
