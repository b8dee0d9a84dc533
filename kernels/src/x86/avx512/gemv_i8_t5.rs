//! t5 without taking digits apart: tripling a byte carries the next trit out at the top.
//!
//! In unsigned form, `u[i + 1] = 3 u[i] mod 256` and `w[i] + 1 = (3 u[i] - u[i + 1]) / 256`. So two products of plain
//! bytes with the same activations, `P = Σ u[i] x[i]` and `Q = Σ u[i + 1] x[i]`, make a row's sum:
//! `Σ w x = (3 P - Q) / 256 - Σ x`, exactly in every lane.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi8, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_reduce_add_epi32,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_sub_epi32,
    _mm512_xor_si512,
};

use super::load;
use super::rows::{add_rows, listed};
use crate::layout::t5::{BLOCK, BLOCK_BYTES, DIGITS, row_bytes};
use crate::shape::MAX_K;

/// Bytes and weights of a step: one register, four blocks.
const STEP_BYTES: usize = 4 * BLOCK_BYTES;
const STEP: usize = 4 * BLOCK;
/// Steps of a strip, whose activations are arranged at once: 14400 elements, 14 KiB of stack.
const STRIP: usize = 45;
/// The largest sum of a lane: three times four products of at most `255 · 128` for each digit of each step.
const _: () = assert!(MAX_K.div_ceil(STEP) as u64 * (3 * 4 * 5 * 255 * 128) < 1 << 31);

/// The activations of four blocks, by digit.
type Digits = [__m512i; DIGITS];

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_i8_t5(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    gemv(w, k, x, out, |i| i);
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_rows_i8_t5(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    gemv(w, k, x, out, listed(rows));
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn gemv(w: &[u8], k: usize, x: &[i8], out: &mut [i32], row: impl Fn(usize) -> usize) {
    out.fill(0);
    let mut arranged = [[_mm512_setzero_si512(); DIGITS]; STRIP];
    // Past `k` the activations are zero, or there are none.
    for (strip, x) in x[..k].chunks(STRIP * STEP).enumerate() {
        let arranged = &mut arranged[..x.len().div_ceil(STEP)];
        let offset = arrange(x, arranged);
        let first = strip * STRIP * STEP_BYTES;
        let span = first..first + row_bytes(x.len());
        add_rows(w, row_bytes(k), span, &row, offset, out, |bytes, ahead| dot(bytes, arranged, ahead));
    }
}

/// Arranges activations as the digits of four blocks stand in a register, and sums them up.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn arrange(x: &[i8], arranged: &mut [Digits]) -> i32 {
    let one = _mm512_set1_epi8(1);
    let mut sum = _mm512_setzero_si512();
    for (x, digits) in x.chunks(STEP).zip(arranged) {
        let mut step = [0; STEP];
        step[..x.len()].copy_from_slice(x);
        let (vectors, _) = step.as_chunks::<16>();
        for (i, digit) in digits.iter_mut().enumerate() {
            let block = |b: usize| &vectors[b * DIGITS + i];
            *digit = load::x16_of_4([block(0), block(1), block(2), block(3)]);
            sum = _mm512_dpbusd_epi32(sum, one, *digit);
        }
    }
    _mm512_reduce_add_epi32(sum)
}

/// The lanes of `Σ (w + 1) · x` of a row over one strip; lines `ahead` bytes further are asked for.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dot(row: &[u8], x: &[Digits], ahead: usize) -> __m512i {
    let (steps, tail) = row.as_chunks::<STEP_BYTES>();
    let mut sums = [[_mm512_setzero_si512(); 2]; 2];
    for (w, x) in steps.iter().zip(x) {
        load::prefetch_after(w, ahead);
        add_products(&mut sums, load::u8x64(w), x);
    }
    if !tail.is_empty() {
        add_products(&mut sums, load::u8_up_to_64(tail), &x[steps.len()]);
    }
    let p = _mm512_add_epi32(sums[0][0], sums[1][0]);
    let q = _mm512_add_epi32(sums[0][1], sums[1][1]);
    let three_p = _mm512_add_epi32(p, _mm512_slli_epi32::<1>(p));
    _mm512_srai_epi32::<8>(_mm512_sub_epi32(three_p, q))
}

/// Adds `P` and `Q` of a register, even digits to the first pair of sums, odd ones to the second.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add_products(sums: &mut [[__m512i; 2]; 2], w: __m512i, x: &Digits) {
    let mut u = _mm512_xor_si512(w, _mm512_set1_epi8(i8::MIN));
    for (i, x) in x.iter().enumerate() {
        let [p, q] = &mut sums[i % 2];
        *p = _mm512_dpbusd_epi32(*p, u, *x);
        u = _mm512_add_epi8(u, _mm512_add_epi8(u, u));
        *q = _mm512_dpbusd_epi32(*q, u, *x);
    }
}
