//! Squares of 32-bit elements turned about their diagonal.

use core::arch::x86_64::{
    __m512i, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// Element `j` of register `i` becomes element `i` of register `j`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose16(rows: [__m512i; 16]) -> [__m512i; 16] {
    let mut out = [_mm512_setzero_si512(); 16];
    // Four squares of 4 x 4 in each quarter: register `4 i + j` has elements `4 q + j` of rows `4 i..4 i + 4`.
    let mut squares = [_mm512_setzero_si512(); 16];
    for i in 0..4 {
        let [a, b, c, d] = [rows[4 * i], rows[4 * i + 1], rows[4 * i + 2], rows[4 * i + 3]];
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        squares[4 * i] = _mm512_unpacklo_epi64(ab_low, cd_low);
        squares[4 * i + 1] = _mm512_unpackhi_epi64(ab_low, cd_low);
        squares[4 * i + 2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        squares[4 * i + 3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    for j in 0..4 {
        let quarters = transpose4([squares[j], squares[4 + j], squares[8 + j], squares[12 + j]]);
        for (q, quarter) in quarters.into_iter().enumerate() {
            out[4 * q + j] = quarter;
        }
    }
    out
}

/// Quarter `j` of register `i` becomes quarter `i` of register `j`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose4([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
    let (cd_low, cd_high) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
    [
        _mm512_shuffle_i32x4::<0x88>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high),
        _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high),
    ]
}
