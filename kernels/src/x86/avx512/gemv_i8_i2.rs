//! Ternary GEMV with `VPDPBUSD`: unsigned weight codes × signed activations, four to an int32 lane.
//!
//! Four blocks (64 bytes, 256 weights) fill a register. A mask leaves each plane where it stands, `code << 2p`, with
//! the top plane's sign bit flipped (code `trit + 2`); each has an accumulator of its own, shifted down once per row.
//! So 256 weights cost one load, four masks and four multiply-adds. What the codes have too much is the same for every
//! row and taken off once: `Σ x` over planes 0 to 2 and `2 Σ x` over plane 3.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_reduce_add_epi32,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_srai_epi32, _mm512_ternarylogic_epi32,
};

use super::load;
use super::rows::{add_rows, listed};
use super::transpose::transpose4;
use crate::layout::i2::{BLOCK, BLOCK_BYTES, row_bytes};
use crate::shape::MAX_K;

/// Bytes and weights of a step: one register.
pub(super) const STEP_BYTES: usize = 4 * BLOCK_BYTES;
pub(super) const STEP: usize = 4 * BLOCK;
/// Steps of a strip, whose activations are arranged at once: 14336 elements, 14 KiB of stack, one strip for most rows.
const STRIP: usize = 56;
/// The largest sum of a lane: four products of at most `0xc0 · 128` from each step.
const _: () = assert!((MAX_K / STEP) as u64 * (4 * 0xc0 * 128) < 1 << 31);

/// The planes of four blocks of activations, 16 bytes from each.
pub(super) type Planes = [__m512i; 4];

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_i8_i2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    debug_assert_eq!(out.len(), n);
    gemv(w, k, x, out, |i| i);
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_rows_i8_i2(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    gemv(w, k, x, out, listed(rows));
}

/// `out[i]` is the product with row `row(i)`, which is also asked for beyond the last.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn gemv(w: &[u8], k: usize, x: &[i8], out: &mut [i32], row: impl Fn(usize) -> usize) {
    out.fill(0);
    let mut planes = [[_mm512_setzero_si512(); 4]; STRIP];
    for (strip, x) in x.chunks(STRIP * STEP).enumerate() {
        let planes = &mut planes[..x.len().div_ceil(STEP)];
        let offset = arrange(x, planes);
        let first = strip * STRIP * STEP_BYTES;
        let span = first..first + x.len() / 4;
        add_rows(w, row_bytes(k), span, &row, offset, out, |bytes, ahead| dot(bytes, planes, ahead));
    }
}

/// Arranges activations as the weights of four blocks stand in a register, zeros after the last block. Returns what
/// unsigned codes add to every row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn arrange(x: &[i8], planes: &mut [Planes]) -> i32 {
    let (one, two) = (_mm512_set1_epi8(1), _mm512_set1_epi8(2));
    let mut offset = _mm512_setzero_si512();
    for (x, planes) in x.chunks(STEP).zip(planes) {
        let mut blocks = [_mm512_setzero_si512(); 4];
        for (block, x) in blocks.iter_mut().zip(x.chunks(BLOCK)) {
            *block = load::i8_up_to_64(x);
        }
        *planes = transpose4(blocks);
        for plane in 0..3 {
            offset = _mm512_dpbusd_epi32(offset, one, planes[plane]);
        }
        offset = _mm512_dpbusd_epi32(offset, two, planes[3]);
    }
    _mm512_reduce_add_epi32(offset)
}

/// The lanes of `Σ code · x` of a row over one strip; lines `ahead` bytes further are asked for.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn dot(row: &[u8], planes: &[Planes], ahead: usize) -> __m512i {
    let (steps, tail) = row.as_chunks::<STEP_BYTES>();
    let mut sums = [_mm512_setzero_si512(); 4];
    for (w, planes) in steps.iter().zip(planes) {
        load::prefetch_after(w, ahead);
        sums = multiply_add(sums, codes(load::u8x64(w)), planes);
    }
    if !tail.is_empty() {
        // The codes past the row are whatever the flip makes of zeros; their activations are zero.
        sums = multiply_add(sums, codes(load::u8_up_to_64(tail)), &planes[steps.len()]);
    }
    let lower = _mm512_add_epi32(sums[0], _mm512_srai_epi32::<2>(sums[1]));
    let upper = _mm512_add_epi32(_mm512_srai_epi32::<4>(sums[2]), _mm512_srai_epi32::<6>(sums[3]));
    _mm512_add_epi32(lower, upper)
}

/// The codes of each plane `p`, where they stand: `code << 2p`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn codes(w: __m512i) -> [__m512i; 4] {
    let mask = |bits: u8| _mm512_set1_epi8(bits.cast_signed());
    // (a ^ b) & c: the sign bit flipped and the plane masked in one instruction.
    let top = _mm512_ternarylogic_epi32::<0x28>(w, mask(0x80), mask(0xc0));
    [_mm512_and_si512(w, mask(0x03)), _mm512_and_si512(w, mask(0x0c)), _mm512_and_si512(w, mask(0x30)), top]
}

/// `sums` plus `codes · x` over four blocks, one sum for each plane.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn multiply_add(sums: [__m512i; 4], codes: [__m512i; 4], x: &Planes) -> [__m512i; 4] {
    [
        _mm512_dpbusd_epi32(sums[0], codes[0], x[0]),
        _mm512_dpbusd_epi32(sums[1], codes[1], x[1]),
        _mm512_dpbusd_epi32(sums[2], codes[2], x[2]),
        _mm512_dpbusd_epi32(sums[3], codes[3], x[3]),
    ]
}
