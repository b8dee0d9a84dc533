//! The planes of the split head with `VPDPBUSD`: a block of 128 codes is two registers, in the order of x.
//!
//! One row at a time, front to back: a plane is one sequential stream, and x (two bytes an element) stays in L1. Codes
//! that lie across vectors are put together a lane at a time: each lane is shifted by its own count and masked by its own
//! mask. Ten instructions make the 128 codes of the high plane, four multiply-adds use them.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_dpbusd_epi32,
    _mm512_permutex2var_epi64, _mm512_set_epi32, _mm512_set_epi64, _mm512_set1_epi8, _mm512_setzero_si512,
    _mm512_shuffle_i64x2, _mm512_srli_epi16, _mm512_srlv_epi32, _mm512_ternarylogic_epi32,
};

use super::gemv_i8_i2::AHEAD;
use super::{load, sum};
use crate::layout::i8_split::{BLOCK, HIGH_BLOCK_BYTES, LOW_BLOCK_BYTES};
use crate::shape::MAX_K;

/// Elements of x beside one register of codes.
const STEP: usize = 64;

/// The largest sum of a row with one plane of x.
const _: () = assert!((MAX_K.next_multiple_of(BLOCK)) as u64 * (31 * 128) < 1 << 31);

/// One plane of a block of x.
type XBlock = [[i8; STEP]; 2];

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_i16_u5(w: &[u8], _n: usize, _k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    gemv(w.as_chunks::<HIGH_BLOCK_BYTES>().0, x_high, x_low, out, |block| high_codes(block));
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_i16_u3(w: &[u8], _n: usize, _k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    gemv(w.as_chunks::<LOW_BLOCK_BYTES>().0, x_high, x_low, out, |block| low_codes(block));
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn gemv<const BYTES: usize>(
    w: &[[u8; BYTES]],
    x_high: &[i8],
    x_low: &[i8],
    out: &mut [i64],
    codes: impl Fn(&[u8; BYTES]) -> [__m512i; 2],
) {
    let (high, low) = (blocks(x_high), blocks(x_low));
    for (pair, out) in out.chunks_mut(2).enumerate() {
        let mut sums = [_mm512_setzero_si512(); 4];
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
    x.as_chunks::<STEP>().0.as_chunks::<2>().0
}

/// `Σ code · high` and `Σ code · low`, spread over lanes.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn dot<const BYTES: usize>(
    row: &[[u8; BYTES]],
    high: &[XBlock],
    low: &[XBlock],
    codes: impl Fn(&[u8; BYTES]) -> [__m512i; 2],
) -> [__m512i; 2] {
    let mut sums = [[_mm512_setzero_si512(); 2]; 2];
    for ((block, high), low) in row.iter().zip(high).zip(low) {
        load::prefetch_after(block, AHEAD);
        let codes = codes(block);
        for (sums, x) in sums.iter_mut().zip([high, low]) {
            for half in 0..2 {
                sums[half] = _mm512_dpbusd_epi32(sums[half], codes[half], load::i8x64(&x[half]));
            }
        }
    }
    sums.map(|[first, second]| _mm512_add_epi32(first, second))
}

/// The 128 codes of a block of the high plane, in order.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn high_codes(block: &[u8; HIGH_BLOCK_BYTES]) -> [__m512i; 2] {
    let (vectors, _) = block.as_chunks::<16>();
    let v0123 = load::u8x64(&block.as_chunks::<STEP>().0[0]);
    let v4 = _mm512_broadcast_i32x4(load::u8x16(&vectors[4]));
    // Vector 4 as it is; bits 2 to 0 of vectors 5, 6 and 7.
    let v4024 = _mm512_permutex2var_epi64(v0123, _mm512_set_epi64(9, 8, 5, 4, 1, 0, 9, 8), v4);
    let low_bits = _mm512_and_si512(_mm512_srlv_epi32(v4024, lanes([0, 5, 5, 5])), bytes([31, 7, 7, 7]));
    // Bits 4 and 3 of vectors 5 and 6, bit 3 of 7; then bit 4 of 7.
    let v0131 = _mm512_shuffle_i64x2::<0b01_11_01_00>(v0123, v0123);
    let high_bits = _mm512_srlv_epi32(v0131, lanes([0, 3, 3, 2]));
    let codes = masked_or(high_bits, bytes([0, 0x18, 0x18, 0x08]), low_bits);
    let codes = masked_or(_mm512_srli_epi16::<1>(v0123), bytes([0, 0, 0, 0x10]), codes);
    [_mm512_and_si512(v0123, _mm512_set1_epi8(31)), codes]
}

/// The 128 codes of a block of the low plane, in order.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn low_codes(block: &[u8; LOW_BLOCK_BYTES]) -> [__m512i; 2] {
    let (vectors, _) = block.as_chunks::<16>();
    let [u0, u1, u2] = [&vectors[0], &vectors[1], &vectors[2]];
    let codes0123 = _mm512_srlv_epi32(load::u8x16_of_4([u0, u0, u1, u1]), lanes([0, 3, 0, 3]));
    // Vectors 4 and 5, and bits 1 and 0 of 6 and 7; then bit 2 of these.
    let low_bits = _mm512_srlv_epi32(load::u8x16_of_4([u2, u2, u0, u1]), lanes([0, 3, 6, 6]));
    let low_bits = _mm512_and_si512(low_bits, bytes([7, 7, 3, 3]));
    let high_bits = _mm512_srlv_epi32(_mm512_broadcast_i32x4(load::u8x16(u2)), lanes([0, 0, 4, 5]));
    let codes4567 = masked_or(high_bits, bytes([0, 0, 4, 4]), low_bits);
    [_mm512_and_si512(codes0123, _mm512_set1_epi8(7)), codes4567]
}

/// `v & mask | or`.
#[inline]
#[target_feature(enable = "avx512f")]
fn masked_or(v: __m512i, mask: __m512i, or: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1110_1010>(v, mask, or)
}

/// One number for each lane of 16 bytes, in all of its 32-bit elements.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes([a, b, c, d]: [i32; 4]) -> __m512i {
    _mm512_set_epi32(d, d, d, d, c, c, c, c, b, b, b, b, a, a, a, a)
}

/// One byte for each lane of 16 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
fn bytes(bytes: [u8; 4]) -> __m512i {
    lanes(bytes.map(|byte| i32::from_ne_bytes([byte; 4])))
}
