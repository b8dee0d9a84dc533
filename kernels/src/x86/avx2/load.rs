//! Loads and stores: from and to references of exactly the vector's size, at any alignment.
#![expect(unsafe_code, reason = "vector loads and stores take raw pointers")]

use core::arch::asm;
use core::arch::x86_64::{
    __m128, __m128i, __m256, __m256i, _mm_loadl_epi64, _mm_loadu_si128, _mm_storeu_ps, _mm_storeu_si128,
    _mm256_broadcastsi128_si256, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_storeu_ps, _mm256_storeu_si256,
};

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn u8x16(x: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn u8x32(x: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is valid for 32 bytes; the instruction takes any alignment.
    unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn i8x16(x: &[i8; 16]) -> __m128i {
    // SAFETY: the reference is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn i8x32(x: &[i8; 32]) -> __m256i {
    // SAFETY: the reference is valid for 32 bytes; the instruction takes any alignment.
    unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
}

/// Eight signed bytes as f32.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn i8x8_as_f32(x: &[i8; 8]) -> __m256 {
    // SAFETY: the reference is valid for the 8 bytes read; the instruction takes any alignment.
    let bytes = unsafe { _mm_loadl_epi64(x.as_ptr().cast()) };
    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))
}

/// Sixteen bytes in both halves.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn i8x16_twice(x: &[i8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(i8x16(x))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn u16x8(x: &[u16; 8]) -> __m128i {
    // SAFETY: the reference is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn f32x8(x: &[f32; 8]) -> __m256 {
    // SAFETY: the reference is valid for 32 bytes; the instruction takes any alignment.
    unsafe { _mm256_loadu_ps(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_f32x8(out: &mut [f32; 8], v: __m256) {
    // SAFETY: the reference is valid for 32 bytes; the instruction takes any alignment.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), v) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_u16x8(out: &mut [u16; 8], v: __m128i) {
    // SAFETY: the reference is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), v) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn to_i32x4(v: __m128i) -> [i32; 4] {
    let mut out = [0; 4];
    // SAFETY: the array is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), v) }
    out
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn to_i64x4(v: __m256i) -> [i64; 4] {
    let mut out = [0; 4];
    // SAFETY: the array is valid for 32 bytes; the instruction takes any alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), v) }
    out
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn to_f32x4(v: __m128) -> [f32; 4] {
    let mut out = [0.0; 4];
    // SAFETY: the array is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_storeu_ps(out.as_mut_ptr(), v) }
    out
}

/// Sixteen bytes in both halves.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn u8x16_twice(x: &[u8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(u8x16(x))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_u8x16(out: &mut [u8; 16], v: __m128i) {
    // SAFETY: the reference is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), v) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn i32x8(x: &[i32; 8]) -> __m256i {
    // SAFETY: the reference is valid for 32 bytes; the instruction takes any alignment.
    unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_i32x8(out: &mut [i32; 8], v: __m256i) {
    // SAFETY: the reference is valid for 32 bytes; the instruction takes any alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), v) }
}

/// As [`prefetch_after`], into the second-level cache: its queue holds more lines, so a stream from memory is faster.
#[inline]
pub(super) fn prefetch_far<T>(x: &T, bytes: usize) {
    let address = core::ptr::from_ref(x).cast::<u8>().wrapping_add(bytes);
    // SAFETY: as in `prefetch_after`.
    unsafe { asm!("prefetcht1 [{}]", in(reg) address, options(nostack, readonly, preserves_flags)) }
}

/// Asks for the cache line `bytes` after `x`, which may lie outside every object: a prefetch never faults.
#[inline]
pub(super) fn prefetch_after<T>(x: &T, bytes: usize) {
    let address = core::ptr::from_ref(x).cast::<u8>().wrapping_add(bytes);
    // SAFETY: a prefetch is a hint; it changes nothing the program can see and faults at no address.
    // (Assembly, because the intrinsic is unsafe in some supported compilers and safe in others.)
    unsafe { asm!("prefetcht0 [{}]", in(reg) address, options(nostack, readonly, preserves_flags)) }
}
