//! The planes of the split head: how codes come out of bytes, and the frame of both backends.
//!
//! Fourteen instructions decode the 128 codes of a block of the high plane. Seven are shifts, of which Cortex-A76 starts
//! one a cycle and of all else two: hidden behind the thirty-two products.
#![expect(unsafe_code, reason = "SRI as one instruction: the compiler makes three of its intrinsic")]

use core::arch::aarch64::{
    int8x16_t, uint8x16_t, vandq_u8, vbslq_u8, vdupq_n_u8, vreinterpretq_s8_u8, vshrq_n_u8,
};
use core::arch::asm;

use super::load::{Aligned, Load, expect_aligned, prefetch_after};
use crate::layout::i8_split::{HIGH_BLOCK_BYTES, LOW_BLOCK_BYTES};

/// Vectors of a block of the high plane.
pub(super) const HIGH: usize = HIGH_BLOCK_BYTES / 16;
/// Vectors of a block of the low plane.
pub(super) const LOW: usize = LOW_BLOCK_BYTES / 16;
/// Rows that share the loads of activations. More than two and their bytes no longer fit the registers beside the sums.
pub(super) const ROWS: usize = 2;
/// Bytes ahead of the loads that are asked for: two rows that advance together are two streams, each asked for by
/// itself.
const AHEAD: usize = 1024;

/// A block of a plane, in vectors.
pub(super) type Block<const V: usize> = [Aligned<[u8; 16]>; V];
/// One plane of a block of x, in the vectors of its codes.
pub(super) type XBlock = [Aligned<[i8; 16]>; 8];

/// `dot2` and `dot1` sum `code · x` of two rows and of one.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemv<const V: usize>(
    w: &[u8],
    x_high: &[i8],
    x_low: &[i8],
    out: &mut [i64],
    dot2: impl Fn([&[Block<V>]; ROWS], &[XBlock], &[XBlock]) -> [i64; ROWS],
    dot1: impl Fn([&[Block<V>]; 1], &[XBlock], &[XBlock]) -> [i64; 1],
) {
    let (w, _) = expect_aligned(w.as_chunks::<16>().0).as_chunks::<V>();
    let (high, low) = (blocks(x_high), blocks(x_low));
    let row = |j: usize| &w[j * high.len()..][..high.len()];
    let (pairs, last) = out.as_chunks_mut::<ROWS>();
    for (pair, out) in pairs.iter_mut().enumerate() {
        *out = dot2([row(ROWS * pair), row(ROWS * pair + 1)], high, low);
    }
    if let [out] = last {
        [*out] = dot1([row(ROWS * pairs.len())], high, low);
    }
}

fn blocks(x: &[i8]) -> &[XBlock] {
    expect_aligned(x.as_chunks::<16>().0).as_chunks::<8>().0
}

/// Loads a block and asks for one ahead of it.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_ahead<const V: usize>(block: &Block<V>) -> [uint8x16_t; V] {
    prefetch_after::<AHEAD, _>(block);
    let mut vectors = [vdupq_n_u8(0); V];
    for (vector, memory) in vectors.iter_mut().zip(block) {
        *vector = memory.load();
    }
    vectors
}

/// The low bits of each byte of `v` replaced by those of `from` shifted right by `N`; the top `N` bits stay.
#[inline]
#[target_feature(enable = "neon")]
fn shift_in<const N: u32>(mut v: uint8x16_t, from: uint8x16_t) -> uint8x16_t {
    // SAFETY: the caller has NEON; the instruction works on registers alone.
    unsafe {
        asm!(
            "sri {v:v}.16b, {from:v}.16b, #{n}",
            v = inout(vreg) v, from = in(vreg) from, n = const N,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    v
}

/// The eight vectors of codes of a block of the high plane: 0 to 31, so signed bytes as well.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn high_codes([v0, v1, v2, v3, v4]: [uint8x16_t; HIGH]) -> [int8x16_t; 8] {
    let whole = vdupq_n_u8(31);
    let five = shift_in::<5>(vshrq_n_u8::<3>(v1), v0);
    let six = shift_in::<5>(vshrq_n_u8::<3>(v3), v2);
    // Bit 3 is in place with v1 shifted by two, bit 4 is taken from v3 shifted by one.
    let seven = shift_in::<5>(vshrq_n_u8::<2>(v1), v4);
    let seven = vbslq_u8(vdupq_n_u8(0x10), vshrq_n_u8::<1>(v3), seven);
    let mask = |v| vreinterpretq_s8_u8(vandq_u8(v, whole));
    [
        mask(v0),
        mask(v1),
        mask(v2),
        mask(v3),
        mask(v4),
        vreinterpretq_s8_u8(five),
        vreinterpretq_s8_u8(six),
        mask(seven),
    ]
}

/// The eight vectors of codes of a block of the low plane: 0 to 7.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn low_codes([u0, u1, u2]: [uint8x16_t; LOW]) -> [int8x16_t; 8] {
    let whole = vdupq_n_u8(7);
    let mask = |v| vreinterpretq_s8_u8(vandq_u8(v, whole));
    let six = shift_in::<6>(vshrq_n_u8::<4>(u2), u0);
    let seven = shift_in::<6>(vshrq_n_u8::<5>(u2), u1);
    [
        mask(u0),
        mask(vshrq_n_u8::<3>(u0)),
        mask(u1),
        mask(vshrq_n_u8::<3>(u1)),
        mask(u2),
        mask(vshrq_n_u8::<3>(u2)),
        mask(six),
        mask(seven),
    ]
}
