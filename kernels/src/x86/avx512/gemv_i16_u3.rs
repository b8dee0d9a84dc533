//! The split head's low plane with `VPDPBUSD`: unsigned codes × the two signed planes of x.
//!
//! Each quarter of a register is shifted by its own count and masked by its own mask: eight instructions put 128 codes
//! in the order of x.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_set1_epi8, _mm512_setzero_si512,
    _mm512_srlv_epi64, _mm512_ternarylogic_epi32,
};

use super::five_bits::{bytes, quarters};
use super::rows::AHEAD;
use super::{load, sum};
use crate::layout::i8_split::{BLOCK, LOW_BLOCK_BYTES};
use crate::shape::MAX_K;

/// Rows whose lanes are summed together, one sum for each plane of x.
const ROWS: usize = 2;

/// The largest sum of a row with one plane of x.
const _: () = assert!(MAX_K as u64 * (7 * 128) < 1 << 31);

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_i16_u3(w: &[u8], _n: usize, _k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    let (w, _) = w.as_chunks::<LOW_BLOCK_BYTES>();
    let (high, low) = (x_high.as_chunks::<BLOCK>().0, x_low.as_chunks::<BLOCK>().0);
    for (pair, out) in out.chunks_mut(ROWS).enumerate() {
        let mut sums = [_mm512_setzero_si512(); 2 * ROWS];
        for (r, sums) in sums.as_chunks_mut().0.iter_mut().enumerate().take(out.len()) {
            *sums = dot(&w[(ROWS * pair + r) * high.len()..][..high.len()], high, low);
        }
        let [high0, low0, high1, low1] = sum::across4(sums).map(i64::from);
        for (out, sum) in out.iter_mut().zip([256 * high0 + low0, 256 * high1 + low1]) {
            *out = sum;
        }
    }
}

/// `Σ code · high` and `Σ code · low`, spread over lanes.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn dot(row: &[[u8; LOW_BLOCK_BYTES]], high: &[[i8; BLOCK]], low: &[[i8; BLOCK]]) -> [__m512i; 2] {
    let mut sums = [[_mm512_setzero_si512(); 2]; 2];
    for ((block, high), low) in row.iter().zip(high).zip(low) {
        load::prefetch_after(block, AHEAD);
        let halves = codes(block).into_iter().zip(high.as_chunks().0).zip(low.as_chunks().0);
        for (sums, ((codes, high), low)) in sums.iter_mut().zip(halves) {
            sums[0] = _mm512_dpbusd_epi32(sums[0], codes, load::i8x64(high));
            sums[1] = _mm512_dpbusd_epi32(sums[1], codes, load::i8x64(low));
        }
    }
    let [[a, b], [c, d]] = sums;
    [_mm512_add_epi32(a, c), _mm512_add_epi32(b, d)]
}

/// The 128 codes of a block: vectors 0 to 3, and 4 to 7.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn codes(block: &[u8; LOW_BLOCK_BYTES]) -> [__m512i; 2] {
    let (vectors, _) = block.as_chunks::<16>();
    let [u0, u1, u2] = [&vectors[0], &vectors[1], &vectors[2]];
    let first = _mm512_srlv_epi64(load::x16_of_4([u0, u0, u1, u1]), quarters(0, 3, 0, 3));
    // Vectors 4 and 5, bits 1 and 0 of vectors 6 and 7; then bit 2 of these.
    let low = _mm512_srlv_epi64(load::x16_of_4([u2, u2, u0, u1]), quarters(0, 3, 6, 6));
    let low = _mm512_and_si512(low, bytes(7, 7, 3, 3));
    let high = _mm512_srlv_epi64(load::u8x16_everywhere(u2), quarters(0, 0, 4, 5));
    // a & b | c
    let second = _mm512_ternarylogic_epi32::<0xea>(bytes(0, 0, 4, 4), high, low);
    [_mm512_and_si512(first, _mm512_set1_epi8(7)), second]
}
