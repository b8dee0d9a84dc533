//! The planes of the split head with `VPMADDUBSW`: unsigned codes × the two signed planes of x.
//!
//! One row at a time, front to back: a plane is one sequential stream, and x (two bytes an element) stays in L1. Codes
//! are put together 32 to a register in the order of x, so x needs no arranging.

use core::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_castsi128_si256, _mm256_inserti128_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setr_epi32, _mm256_setzero_si256,
    _mm256_srli_epi16, _mm256_srlv_epi32,
};

use super::{load, sum};
use crate::layout::i8_split::{BLOCK, HIGH_BLOCK_BYTES, LOW_BLOCK_BYTES};

/// Bytes ahead of the loads that are asked for.
const AHEAD: usize = 2048;

/// Elements of x beside one register of codes.
const STEP: usize = 32;
/// Registers of codes in a block.
const STEPS: usize = 4;
const _: () = assert!(STEP * STEPS == BLOCK);
// A lane of int16 takes two products per register, over one block: no larger sum for any byte.
const _: () = assert!(STEPS * 2 * 31 * 128 < 1 << 15);

/// One plane of a block of x.
type XBlock = [[i8; STEP]; STEPS];

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_i16_u5(w: &[u8], _n: usize, _k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    gemv(w.as_chunks::<HIGH_BLOCK_BYTES>().0, x_high, x_low, out, |block| high_codes(block));
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_i16_u3(w: &[u8], _n: usize, _k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    gemv(w.as_chunks::<LOW_BLOCK_BYTES>().0, x_high, x_low, out, |block| low_codes(block));
}

#[inline]
#[target_feature(enable = "avx2")]
fn gemv<const BYTES: usize>(
    w: &[[u8; BYTES]],
    x_high: &[i8],
    x_low: &[i8],
    out: &mut [i64],
    codes: impl Fn(&[u8; BYTES]) -> [__m256i; STEPS],
) {
    let (high, low) = (blocks(x_high), blocks(x_low));
    for (pair, out) in out.chunks_mut(2).enumerate() {
        let mut sums = [_mm256_setzero_si256(); 4];
        for (r, sums) in sums.as_chunks_mut::<2>().0.iter_mut().enumerate().take(out.len()) {
            *sums = dot(&w[(2 * pair + r) * high.len()..][..high.len()], high, low, &codes);
        }
        let [high0, low0, high1, low1] = sum::across4(sums).map(i64::from);
        for (out, sum) in out.iter_mut().zip([256 * high0 + low0, 256 * high1 + low1]) {
            *out = sum;
        }
    }
}

fn blocks(x: &[i8]) -> &[XBlock] {
    x.as_chunks::<STEP>().0.as_chunks::<STEPS>().0
}

/// `Σ code · high` and `Σ code · low`, spread over lanes. Exact up to the longest k (`shape::MAX_K`).
#[inline]
#[target_feature(enable = "avx2")]
fn dot<const BYTES: usize>(
    row: &[[u8; BYTES]],
    high: &[XBlock],
    low: &[XBlock],
    codes: impl Fn(&[u8; BYTES]) -> [__m256i; STEPS],
) -> [__m256i; 2] {
    let mut sums = [_mm256_setzero_si256(); 2];
    for ((block, high), low) in row.iter().zip(high).zip(low) {
        load::prefetch_after(block, AHEAD);
        let codes = codes(block);
        for (sum, x) in sums.iter_mut().zip([high, low]) {
            let product = |step: usize| _mm256_maddubs_epi16(codes[step], load::i8x32(&x[step]));
            let pairs = [_mm256_add_epi16(product(0), product(1)), _mm256_add_epi16(product(2), product(3))];
            let pairs = _mm256_add_epi16(pairs[0], pairs[1]);
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        }
    }
    sums
}

/// The 128 codes of a block of the high plane, in order.
#[inline]
#[target_feature(enable = "avx2")]
fn high_codes(block: &[u8; HIGH_BLOCK_BYTES]) -> [__m256i; STEPS] {
    let (pairs, _) = block.as_chunks::<32>();
    let (vectors, _) = block.as_chunks::<16>();
    let (v01, v23) = (load::u8x32(&pairs[0]), load::u8x32(&pairs[1]));
    let v4 = load::u8x16(&vectors[4]);
    let whole = _mm256_set1_epi8(31);
    // Vector 4 as it is beside bits 2 to 0 of vector 5; bits 4 and 3 of it are in v1, the upper half of v01.
    let mut codes45 = masked(shifted_right(join(v4, load::u8x16(&vectors[0])), 0, 5), 31, 7);
    codes45 = _mm256_or_si256(codes45, masked(_mm256_srli_epi16::<3>(v01), 0, 0x18));
    // Bits 2 to 0 of vectors 6 and 7; above them two bits of v3 for 6, and for 7 one of v3 and one of v1.
    let mut codes67 = masked(_mm256_srli_epi16::<5>(join(load::u8x16(&vectors[2]), v4)), 7, 7);
    let v33 = _mm256_broadcastsi128_si256(load::u8x16(&vectors[3]));
    codes67 = _mm256_or_si256(codes67, masked(shifted_right(v33, 3, 1), 0x18, 0x10));
    codes67 = _mm256_or_si256(codes67, masked(_mm256_srli_epi16::<2>(v01), 0, 0x08));
    [_mm256_and_si256(v01, whole), _mm256_and_si256(v23, whole), codes45, codes67]
}

/// The 128 codes of a block of the low plane, in order.
#[inline]
#[target_feature(enable = "avx2")]
fn low_codes(block: &[u8; LOW_BLOCK_BYTES]) -> [__m256i; STEPS] {
    let (vectors, _) = block.as_chunks::<16>();
    let (pairs, _) = block.as_chunks::<32>();
    let twice = |i: usize| _mm256_broadcastsi128_si256(load::u8x16(&vectors[i]));
    let u22 = twice(2);
    let codes67 = _mm256_or_si256(
        masked(_mm256_srli_epi16::<6>(load::u8x32(&pairs[0])), 3, 3),
        masked(shifted_right(u22, 4, 5), 4, 4),
    );
    let two = |u| masked(shifted_right(u, 0, 3), 7, 7);
    [two(twice(0)), two(twice(1)), two(u22), codes67]
}

#[inline]
#[target_feature(enable = "avx2")]
fn join(lower: __m128i, upper: __m128i) -> __m256i {
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(lower), upper)
}

/// Each half shifted by its own count; bits of neighbouring bytes come in at the top.
#[inline]
#[target_feature(enable = "avx2")]
fn shifted_right(v: __m256i, lower: i32, upper: i32) -> __m256i {
    _mm256_srlv_epi32(v, _mm256_setr_epi32(lower, lower, lower, lower, upper, upper, upper, upper))
}

/// Each half's bytes and its mask.
#[inline]
#[target_feature(enable = "avx2")]
fn masked(v: __m256i, lower: i8, upper: i8) -> __m256i {
    let (lower, upper) =
        (i32::from_ne_bytes([lower.cast_unsigned(); 4]), i32::from_ne_bytes([upper.cast_unsigned(); 4]));
    _mm256_and_si256(v, _mm256_setr_epi32(lower, lower, lower, lower, upper, upper, upper, upper))
}
