//! tl2: `VPERMB` looks up the three weights of 64 triples at a time, as codes for `VPDPBUSD`.
//!
//! A block of 384 weights is two registers of indices, six look-ups and six multiply-adds. What a row leaves to i2 is
//! multiplied as there.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_permutexvar_epi8, _mm512_reduce_add_epi32,
    _mm512_set1_epi8, _mm512_setzero_si512,
};

use super::five_bits::codes;
use super::rows::{add_rows, listed};
use super::{gemv_i8_i2, load};
use crate::layout::i2;
use crate::layout::tl2::{BLOCK, BLOCK_BYTES, TABLES, row_bytes};

/// Blocks of a strip, whose activations are arranged at once: 13824 elements, 13.5 KiB of stack.
const STRIP: usize = 36;
/// Steps of the longest tail in i2.
const TAIL: usize = BLOCK.div_ceil(4 * i2::BLOCK);

/// The activations of a block: `[weight of the triple][register of indices]`.
type Triples = [[__m512i; 2]; 3];

/// `TABLES` plus one, twice: a look-up reads six bits.
static CODES: [[u8; 64]; 3] = {
    let mut codes = [[0; 64]; 3];
    let mut i = 0;
    while i < 3 * 64 {
        codes[i / 64][i % 64] = (TABLES[i / 64][i % 32] + 1).cast_unsigned();
        i += 1;
    }
    codes
};

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) fn gemv_i8_tl2(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    gemv(w, k, x, out, |i| i);
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) fn gemv_rows_i8_tl2(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    gemv(w, k, x, out, listed(rows));
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn gemv(w: &[u8], k: usize, x: &[i8], out: &mut [i32], row: impl Fn(usize) -> usize) {
    let (blocks, tail) = x.split_at(k / BLOCK * BLOCK);
    let (blocks, _) = blocks.as_chunks::<BLOCK>();
    out.fill(0);
    let mut arranged = [[[_mm512_setzero_si512(); 2]; 3]; STRIP];
    for (strip, x) in blocks.chunks(STRIP).enumerate() {
        let arranged = &mut arranged[..x.len()];
        let offset = arrange(x, arranged);
        let first = strip * STRIP * BLOCK_BYTES;
        let span = first..first + x.len() * BLOCK_BYTES;
        add_rows(w, row_bytes(k), span, &row, offset, out, |bytes, ahead| dot(bytes, arranged, ahead));
    }
    if !tail.is_empty() {
        let mut planes = [[_mm512_setzero_si512(); 4]; TAIL];
        let planes = &mut planes[..tail.len().div_ceil(4 * i2::BLOCK)];
        let offset = gemv_i8_i2::arrange(tail, planes);
        let span = blocks.len() * BLOCK_BYTES..row_bytes(k);
        add_rows(w, row_bytes(k), span, &row, offset, out, |bytes, ahead| {
            gemv_i8_i2::dot(bytes, planes, ahead)
        });
    }
}

/// Arranges activations as the weights come out of the look-ups, and sums them up: every code is one too large.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn arrange(x: &[[i8; BLOCK]], arranged: &mut [Triples]) -> i32 {
    let one = _mm512_set1_epi8(1);
    let mut sum = _mm512_setzero_si512();
    for (x, triples) in x.iter().zip(arranged) {
        let (vectors, _) = x.as_chunks::<16>();
        for (weight, halves) in triples.iter_mut().enumerate() {
            for (half, v) in halves.iter_mut().enumerate() {
                let q = |i: usize| &vectors[3 * (4 * half + i) + weight];
                *v = load::x16_of_4([q(0), q(1), q(2), q(3)]);
                sum = _mm512_dpbusd_epi32(sum, one, *v);
            }
        }
    }
    _mm512_reduce_add_epi32(sum)
}

/// The lanes of `Σ code · x` of a row over one strip; lines `ahead` bytes further are asked for.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vbmi")]
fn dot(row: &[u8], x: &[Triples], ahead: usize) -> __m512i {
    let tables = [load::u8x64(&CODES[0]), load::u8x64(&CODES[1]), load::u8x64(&CODES[2])];
    let mut sums = [[_mm512_setzero_si512(); 2]; 3];
    for (block, x) in row.as_chunks::<BLOCK_BYTES>().0.iter().zip(x) {
        // A block is a line and a quarter: the lines of the two ends are asked for.
        load::prefetch_after(block, ahead);
        load::prefetch_after(block, ahead.wrapping_add(64));
        for (half, indices) in codes(block).into_iter().enumerate() {
            for weight in 0..3 {
                let codes = _mm512_permutexvar_epi8(indices, tables[weight]);
                sums[weight][half] = _mm512_dpbusd_epi32(sums[weight][half], codes, x[weight][half]);
            }
        }
    }
    let [a, b, c] = sums;
    let pair = |[first, second]: [__m512i; 2]| _mm512_add_epi32(first, second);
    _mm512_add_epi32(pair(a), _mm512_add_epi32(pair(b), pair(c)))
}
