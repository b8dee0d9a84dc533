//! Five-bit codes from 80 bytes: what `tl2` and the split head's high plane have in common.
//!
//! Sixteen bytes a vector: the low five bits of vectors 0 to 4 are codes, their upper bits the codes of vectors 5 to 7
//! (the diagrams of both layouts).

use core::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_permutex2var_epi64, _mm512_set_epi64, _mm512_set1_epi8,
    _mm512_shuffle_i32x4, _mm512_srli_epi16, _mm512_srlv_epi64, _mm512_ternarylogic_epi32,
};

use super::load;

/// The 128 codes of a block: vectors 0 to 3, and 4 to 7.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn codes(block: &[u8; 80]) -> [__m512i; 2] {
    let five = _mm512_set1_epi8(0x1f);
    let (first, _) = block.split_first_chunk().expect("80 bytes");
    let (_, last) = block.split_last_chunk().expect("80 bytes");
    let v = load::u8x64(first);
    let v4 = load::u8x16_everywhere(last);
    // Bits 2 to 0, and all of vector 4: vectors 4, 0, 2, 4.
    let low = _mm512_permutex2var_epi64(v, _mm512_set_epi64(9, 8, 5, 4, 1, 0, 9, 8), v4);
    let low = _mm512_srlv_epi64(low, quarters(0, 5, 5, 5));
    // Bits 4 and 3 from vectors 1 and 3; of the last, bit 3 from vector 1 and bit 4 from vector 3, where it stands.
    let high = _mm512_shuffle_i32x4::<0x74>(v, v);
    let high = _mm512_srlv_epi64(high, quarters(0, 3, 3, 2));
    let last = _mm512_srli_epi16::<1>(v);
    // mask ? b : c
    let upper = _mm512_ternarylogic_epi32::<0xca>(bytes(0, 0x18, 0x18, 0x08), high, low);
    let upper = _mm512_ternarylogic_epi32::<0xca>(bytes(0, 0, 0, 0x10), last, upper);
    [_mm512_and_si512(v, five), _mm512_and_si512(upper, five)]
}

/// A number for both halves of each quarter.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn quarters(a: i64, b: i64, c: i64, d: i64) -> __m512i {
    _mm512_set_epi64(d, d, c, c, b, b, a, a)
}

/// A byte for each quarter.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn bytes(a: u8, b: u8, c: u8, d: u8) -> __m512i {
    let [a, b, c, d] = [a, b, c, d].map(|byte| i64::from_ne_bytes([byte; 8]));
    quarters(a, b, c, d)
}
