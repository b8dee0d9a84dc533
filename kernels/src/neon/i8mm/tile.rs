//! The inner loop of GEMMs with `SMMLA`: eight rows and eight tokens in pairs.
//!
//! A vector holds eight elements of each of two rows, or of two tokens, and the instruction gives their four products:
//! 32 multiplications where `SDOT` has 16. Eight rows and eight tokens: 16 sums, 16 loads and 8 zips for 32 `SMMLA`.
#![expect(unsafe_code, reason = "SMMLA has no stable intrinsic")]

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s32, vreinterpretq_s8_s64, vreinterpretq_s64_s8, vuzp1q_s32, vuzp2q_s32,
    vzip1q_s64, vzip2q_s64,
};
use core::arch::asm;

use crate::neon::decode::Group;
use crate::neon::gemm_rows::{FOURS, Sums, TOKENS, TileGroup};
use crate::neon::load::Load;
use crate::neon::ternary_rows::X;

/// Pairs of rows in four rows.
const PAIRS: usize = 2;

/// Sixteen elements of four rows: two pairs of rows, and of each the first eight elements and the last.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn of_rows([a, b, c, d]: Group) -> Group {
    let ([ab0, ab1], [cd0, cd1]) = (pair(a, b), pair(c, d));
    [ab0, ab1, cd0, cd1]
}

/// The first eight bytes of both, and the last.
#[inline]
#[target_feature(enable = "neon")]
fn pair(a: int8x16_t, b: int8x16_t) -> [int8x16_t; 2] {
    let (a, b) = (vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b));
    [vreinterpretq_s8_s64(vzip1q_s64(a, b)), vreinterpretq_s8_s64(vzip2q_s64(a, b))]
}

/// The sums of a tile with 1, 2, 4 or 8 tokens.
#[inline]
#[target_feature(enable = "neon,i8mm")]
pub(super) fn products(tile: &[TileGroup], x: &[&[X]]) -> Sums {
    match x {
        [a, b, c, d, e, f, g, h] => sums(tile, [[a, b], [c, d], [e, f], [g, h]]),
        [a, b, c, d] => sums(tile, [[a, b], [c, d]]),
        [a, b] => sums(tile, [[a, b]]),
        [a] => sums(tile, [[a, a]]),
        _ => unreachable!("tokens come in powers of two"),
    }
}

/// `T` pairs of tokens.
#[target_feature(enable = "neon,i8mm")]
fn sums<const T: usize>(tile: &[TileGroup], x: [[&[X]; 2]; T]) -> Sums {
    let x = x.map(|pair| pair.map(|x| &x[..tile.len()]));
    let mut acc = [[[vdupq_n_s32(0); T]; PAIRS]; FOURS];
    for (i, group) in tile.iter().enumerate() {
        let x = x.map(|[a, b]| pair(a[i].load(), b[i].load()));
        for four in 0..FOURS {
            for rows in 0..PAIRS {
                for half in 0..2 {
                    let w = group[2 * rows + half][four];
                    for t in 0..T {
                        acc[four][rows][t] = smmla(acc[four][rows][t], w, x[t][half]);
                    }
                }
            }
        }
    }
    let mut sums = [[vdupq_n_s32(0); TOKENS]; FOURS];
    for (sums, [first, second]) in sums.iter_mut().zip(acc) {
        for (sums, (first, second)) in sums.chunks_exact_mut(2).zip(first.into_iter().zip(second)) {
            sums[0] = vuzp1q_s32(first, second);
            sums[1] = vuzp2q_s32(first, second);
        }
    }
    sums
}

/// `acc[2i + j] += Σ w[8i..8i + 8] · x[8j..8j + 8]`.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn smmla(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's target features include i8mm; the instruction works on registers alone.
    unsafe {
        asm!(
            "smmla {acc:v}.4s, {w:v}.16b, {x:v}.16b",
            acc = inout(vreg) acc, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}
