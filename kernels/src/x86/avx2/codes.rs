//! Packed weights as unsigned bytes in the order of their elements: `trit + 2`, in 0..=4 for every byte.
//!
//! The common form behind kernels that do not read a layout in place. A decoder fills whole blocks; what comes after
//! the last one is left as it was.

use core::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_and_si128, _mm_cmpgt_epi8, _mm_or_si128, _mm_set1_epi8, _mm_setzero_si128,
    _mm_srli_epi16, _mm_sub_epi8, _mm_xor_si128, _mm256_blendv_epi8, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_set_m128i, _mm256_shuffle_epi8, _mm256_slli_epi16,
};

use super::load;
use crate::layout::{i2, t5, tl2};

/// Elements of a strip: whole blocks of every layout, and of activations.
pub(super) const STRIP: usize = 1920;
const _: () = assert!(STRIP.is_multiple_of(i2::BLOCK) && STRIP.is_multiple_of(2 * t5::BLOCK));
const _: () = assert!(STRIP.is_multiple_of(tl2::BLOCK));

/// What every code has too much.
pub(super) const OFFSET: u8 = 2;
/// The largest code: that of a weight 2, which i2 reads from a code that is never written.
pub(super) const MAX_CODE: u8 = 4;

/// A strip of codes.
pub(super) type Codes = [u8; STRIP];

/// Elements `first..` of a row of i2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn of_i2(row: &[u8], first: usize, codes: &mut Codes) {
    of_i2_blocks(&row[first / i2::BLOCK * i2::BLOCK_BYTES..], codes);
}

#[inline]
#[target_feature(enable = "avx2")]
fn of_i2_blocks(bytes: &[u8], codes: &mut [u8]) {
    let (blocks, _) = bytes.as_chunks::<{ i2::BLOCK_BYTES }>();
    let (code, one) = (_mm_set1_epi8(3), _mm_set1_epi8(1));
    for (block, codes) in blocks.iter().zip(codes.as_chunks_mut::<{ i2::BLOCK }>().0) {
        let b = load::u8x16(block);
        // The top plane's sign bit flipped: its code is `trit + 2` as it stands.
        let top = _mm_xor_si128(b, _mm_set1_epi8(i8::MIN));
        let planes = [
            _mm_add_epi8(_mm_and_si128(b, code), one),
            _mm_add_epi8(_mm_and_si128(_mm_srli_epi16::<2>(b), code), one),
            _mm_add_epi8(_mm_and_si128(_mm_srli_epi16::<4>(b), code), one),
            _mm_and_si128(_mm_srli_epi16::<6>(top), code),
        ];
        for (plane, codes) in planes.into_iter().zip(codes.as_chunks_mut().0) {
            load::store_u8x16(codes, plane);
        }
    }
}

/// Elements `first..` of a row of `k` in t5.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn of_t5(row: &[u8], first: usize, codes: &mut Codes) {
    let (blocks, _) = row[first / t5::BLOCK * t5::BLOCK_BYTES..].as_chunks::<{ t5::BLOCK_BYTES }>();
    let (two, plus, minus) = (_mm_set1_epi8(2), _mm_set1_epi8(42), _mm_set1_epi8(-42));
    for (block, codes) in blocks.iter().zip(codes.as_chunks_mut::<{ t5::BLOCK }>().0) {
        let mut s = load::u8x16(block);
        for codes in codes.as_chunks_mut().0 {
            // A compare that holds is -1.
            let digit = _mm_sub_epi8(_mm_cmpgt_epi8(minus, s), _mm_cmpgt_epi8(s, plus));
            load::store_u8x16(codes, _mm_add_epi8(two, digit));
            s = _mm_add_epi8(s, _mm_add_epi8(s, s));
        }
    }
}

/// `tl2::TABLES` plus [`OFFSET`], in halves of 16.
static TL2_TABLES: [[[u8; 16]; 2]; 3] = {
    let mut tables = [[[0; 16]; 2]; 3];
    let mut i = 0;
    while i < 3 * 32 {
        let code = tl2::TABLES[i / 32][i % 32].cast_unsigned();
        tables[i / 32][i / 16 % 2][i % 16] = code.wrapping_add(OFFSET);
        i += 1;
    }
    tables
};

/// Elements `first..` of a row of `k` in tl2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn of_tl2(row: &[u8], k: usize, first: usize, codes: &mut Codes) {
    let (blocks, tail) = tl2::split(row, k);
    let blocks = blocks.get(first / tl2::BLOCK..).unwrap_or_default();
    let n_blocks = blocks.len().min(STRIP / tl2::BLOCK);
    let (in_blocks, rest) = codes.split_at_mut(n_blocks * tl2::BLOCK);
    for (block, codes) in blocks.iter().zip(in_blocks.as_chunks_mut::<{ tl2::BLOCK }>().0) {
        let (triples, _) = codes.as_chunks_mut::<48>();
        for (indices, triples) in indices(block).as_chunks::<2>().0.iter().zip(triples.as_chunks_mut::<2>().0)
        {
            look_up(*indices, triples);
        }
    }
    let after_blocks = first + n_blocks * tl2::BLOCK;
    if after_blocks >= k / tl2::BLOCK * tl2::BLOCK && !rest.is_empty() {
        let done = after_blocks - k / tl2::BLOCK * tl2::BLOCK;
        of_i2_blocks(tail.get(done / i2::BLOCK * i2::BLOCK_BYTES..).unwrap_or_default(), rest);
    }
}

/// The eight vectors of indices of a block of tl2.
#[inline]
#[target_feature(enable = "avx2")]
fn indices(block: &[u8; tl2::BLOCK_BYTES]) -> [__m128i; 8] {
    let mut v = [_mm_setzero_si128(); 5];
    for (v, bytes) in v.iter_mut().zip(block.as_chunks().0) {
        *v = load::u8x16(bytes);
    }
    let low = |v| _mm_and_si128(v, _mm_set1_epi8(0x1f));
    let three = |v| _mm_and_si128(_mm_srli_epi16::<5>(v), _mm_set1_epi8(0x07));
    let two = |v| _mm_and_si128(_mm_srli_epi16::<3>(v), _mm_set1_epi8(0x18));
    let bit_3 = _mm_and_si128(_mm_srli_epi16::<2>(v[1]), _mm_set1_epi8(0x08));
    let bit_4 = _mm_and_si128(_mm_srli_epi16::<1>(v[3]), _mm_set1_epi8(0x10));
    [
        low(v[0]),
        low(v[1]),
        low(v[2]),
        low(v[3]),
        low(v[4]),
        _mm_or_si128(three(v[0]), two(v[1])),
        _mm_or_si128(three(v[2]), two(v[3])),
        _mm_or_si128(three(v[4]), _mm_or_si128(bit_3, bit_4)),
    ]
}

/// The codes of two vectors of indices.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up([a, b]: [__m128i; 2], triples: &mut [[u8; 48]; 2]) {
    let indices = _mm256_set_m128i(b, a);
    // Bit 4 where a blend looks: bit 7.
    let is_upper = _mm256_slli_epi16::<3>(indices);
    for (i, [lower, upper]) in TL2_TABLES.iter().enumerate() {
        let lower = _mm256_shuffle_epi8(load::u8x16_twice(lower), indices);
        let upper = _mm256_shuffle_epi8(load::u8x16_twice(upper), indices);
        let codes = _mm256_blendv_epi8(lower, upper, is_upper);
        let [first, second] = &mut *triples;
        load::store_u8x16(&mut first.as_chunks_mut().0[i], _mm256_castsi256_si128(codes));
        load::store_u8x16(&mut second.as_chunks_mut().0[i], _mm256_extracti128_si256::<1>(codes));
    }
}
