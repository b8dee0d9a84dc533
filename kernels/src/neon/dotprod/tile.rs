//! The inner loop of products with many tokens: `SDOT` by element on a tile of eight outputs.
//!
//! A vector of the tile holds four elements of the reduction for each of four outputs; a vector of x holds sixteen
//! elements of one token. The instruction takes four of them by index, so a sum stays in its lane and nothing is added
//! across. Eight outputs and eight tokens: 16 sums, 8 vectors of activations and 2 of weights in registers, 16 loads
//! for 64 `SDOT`, which is 32 cycles on Cortex-A76.
#![expect(unsafe_code, reason = "SDOT has no stable intrinsic")]

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s32, vreinterpretq_s8_s16, vreinterpretq_s8_s32, vreinterpretq_s16_s8,
    vreinterpretq_s32_s8, vzip1q_s8, vzip1q_s16, vzip2q_s8, vzip2q_s16,
};
use core::arch::asm;

use crate::neon::decode::Group;
use crate::neon::gemm_rows::{FOURS, Sums, TOKENS, TileGroup, transpose};
use crate::neon::load::Load;
use crate::neon::ternary_rows::X;

/// Sixteen elements of the reduction for four rows: four vectors of four elements of each.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn of_rows(rows: Group) -> Group {
    transpose(rows.map(|row| vreinterpretq_s32_s8(row))).map(|v| vreinterpretq_s8_s32(v))
}

/// Sixteen outputs of four columns: for each four outputs a vector of their four elements of the reduction.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn of_columns([a, b, c, d]: Group) -> Group {
    let wide = |v| vreinterpretq_s16_s8(v);
    let (ab0, ab1) = (wide(vzip1q_s8(a, b)), wide(vzip2q_s8(a, b)));
    let (cd0, cd1) = (wide(vzip1q_s8(c, d)), wide(vzip2q_s8(c, d)));
    [vzip1q_s16(ab0, cd0), vzip2q_s16(ab0, cd0), vzip1q_s16(ab1, cd1), vzip2q_s16(ab1, cd1)]
        .map(|v| vreinterpretq_s8_s16(v))
}

/// The sums of a tile with 1, 2, 4 or 8 tokens.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn products(tile: &[TileGroup], x: &[&[X]]) -> Sums {
    match x {
        [a, b, c, d, e, f, g, h] => eight(tile, [a, b, c, d, e, f, g, h]),
        [a, b, c, d] => few(tile, [a, b, c, d]),
        [a, b] => few(tile, [a, b]),
        [a] => few(tile, [a]),
        _ => unreachable!("tokens come in powers of two"),
    }
}

#[target_feature(enable = "neon,dotprod")]
fn eight(tile: &[TileGroup], x: [&[X]; TOKENS]) -> Sums {
    sums(tile, x)
}

#[target_feature(enable = "neon,dotprod")]
fn few<const T: usize>(tile: &[TileGroup], x: [&[X]; T]) -> Sums {
    let mut all = [[vdupq_n_s32(0); TOKENS]; FOURS];
    for (all, sums) in all.iter_mut().zip(sums(tile, x)) {
        all[..T].copy_from_slice(&sums);
    }
    all
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sums<const T: usize>(tile: &[TileGroup], x: [&[X]; T]) -> [[int32x4_t; T]; FOURS] {
    let x = x.map(|x| &x[..tile.len()]);
    let mut acc = [[vdupq_n_s32(0); T]; FOURS];
    for (i, [q0, q1, q2, q3]) in tile.iter().enumerate() {
        let x = x.map(|x| x[i].load());
        acc = quad::<T, 0>(acc, *q0, x);
        acc = quad::<T, 1>(acc, *q1, x);
        acc = quad::<T, 2>(acc, *q2, x);
        acc = quad::<T, 3>(acc, *q3, x);
    }
    acc
}

/// Four elements of the reduction, the `Q`th of x.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn quad<const T: usize, const Q: usize>(
    mut acc: [[int32x4_t; T]; FOURS],
    w: [int8x16_t; FOURS],
    x: [int8x16_t; T],
) -> [[int32x4_t; T]; FOURS] {
    for t in 0..T {
        for four in 0..FOURS {
            acc[four][t] = sdot_by_element::<Q>(acc[four][t], w[four], x[t]);
        }
    }
    acc
}

/// `acc[i] += Σ w[4i..4i + 4] · x[4Q..4Q + 4]`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot_by_element<const Q: usize>(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's target features include dotprod; the instruction works on registers alone.
    unsafe {
        asm!(
            "sdot {acc:v}.4s, {w:v}.16b, {x:v}.4b[{q}]",
            acc = inout(vreg) acc, w = in(vreg) w, x = in(vreg) x, q = const Q,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}

/// Three times each byte, wrapping. In assembly, or the compiler makes it a `MUL`, which Cortex-A76 starts every second
/// cycle.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn triple(mut s: int8x16_t) -> int8x16_t {
    // SAFETY: baseline instructions on registers alone.
    unsafe {
        asm!(
            "add {twice:v}.16b, {s:v}.16b, {s:v}.16b",
            "add {s:v}.16b, {s:v}.16b, {twice:v}.16b",
            s = inout(vreg) s, twice = out(vreg) _,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    s
}
