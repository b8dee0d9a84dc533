//! Conversions to and from binary16 (F16C) and bf16, eight at a time.

use core::arch::x86_64::{
    __m256, _MM_FROUND_TO_NEAREST_INT, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps,
    _mm256_cvtps_ph, _mm256_max_ps, _mm256_min_ps, _mm256_set1_ps, _mm256_slli_epi32,
};

use super::load;
use crate::ops::half;

/// Eight binary16 as f32.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn f16x8(x: &[u16; 8]) -> __m256 {
    _mm256_cvtph_ps(load::u16x8(x))
}

/// Eight bf16 as f32: each is an upper half.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn bf16x8(x: &[u16; 8]) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(load::u16x8(x))))
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn f32_to_f16(x: &[f32], out: &mut [u16]) {
    let (x, x_tail) = x.as_chunks::<8>();
    let (out, out_tail) = out.as_chunks_mut::<8>();
    let (most, least) = (_mm256_set1_ps(65504.0), _mm256_set1_ps(-65504.0));
    for (out, x) in out.iter_mut().zip(x) {
        // Of two operands where one is NaN, min and max take the second: x, so NaN stays.
        let x = _mm256_max_ps(least, _mm256_min_ps(most, load::f32x8(x)));
        load::store_u16x8(out, _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x));
    }
    half::f32_to_f16(x_tail, out_tail);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn widen_f16(x: &[u16], out: &mut [f32]) {
    let (x, x_tail) = x.as_chunks::<8>();
    let (out, out_tail) = out.as_chunks_mut::<8>();
    for (out, x) in out.iter_mut().zip(x) {
        load::store_f32x8(out, f16x8(x));
    }
    half::widen_f16(x_tail, out_tail);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn widen_bf16(x: &[u16], out: &mut [f32]) {
    half::widen_bf16(x, out);
}
