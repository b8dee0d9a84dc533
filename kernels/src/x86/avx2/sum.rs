//! Sums across the lanes of registers.

use core::arch::x86_64::{
    __m256, __m256i, _mm_add_epi32, _mm_add_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps,
    _mm_unpacklo_ps, _mm256_add_epi64, _mm256_add_ps, _mm256_castps256_ps128, _mm256_castsi256_si128,
    _mm256_cvtepi32_epi64, _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_hadd_epi32,
};

use super::load;
use crate::ops::lanes::LANES;

/// The sum of each of four int32 vectors.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn across4([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
    let halves = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    load::to_i32x4(_mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves)))
}

/// The sum of an int32 vector in 64 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn across_wide(v: __m256i) -> i64 {
    let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v));
    let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(v));
    let [a, b, c, d] = load::to_i64x4(_mm256_add_epi64(low, high));
    a + b + c + d
}

/// The sixteen lanes of one reduction: lanes 0 to 7 and 8 to 15.
pub(super) type Lanes = [__m256; 2];

/// The lanes as an array.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn to_array(lanes: Lanes) -> [f32; LANES] {
    let mut array = [0.0; LANES];
    let (halves, _) = array.as_chunks_mut::<8>();
    load::store_f32x8(&mut halves[0], lanes[0]);
    load::store_f32x8(&mut halves[1], lanes[1]);
    array
}

/// The tree `+ 8, + 4, + 2, + 1` of four reductions at once: after step 4 the rows are transposed, so that the last two
/// steps work on whole registers. The same additions as `lanes::tree`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn trees(rows: [Lanes; 4]) -> [f32; 4] {
    let quarter = |[low, high]: Lanes| {
        let eight = _mm256_add_ps(low, high);
        _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight))
    };
    let [a, b, c, d] = rows;
    let (a, b, c, d) = (quarter(a), quarter(b), quarter(c), quarter(d));
    // Transpose: lane i of every row in register i.
    let (ab01, ab23) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
    let (cd01, cd23) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
    let (lane0, lane1) = (_mm_movelh_ps(ab01, cd01), _mm_movehl_ps(cd01, ab01));
    let (lane2, lane3) = (_mm_movelh_ps(ab23, cd23), _mm_movehl_ps(cd23, ab23));
    load::to_f32x4(_mm_add_ps(_mm_add_ps(lane0, lane2), _mm_add_ps(lane1, lane3)))
}
