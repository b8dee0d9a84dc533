//! Loads and stores: from and to references of exactly the vector's size, at any alignment.
#![expect(unsafe_code, reason = "vector loads and stores take raw pointers")]

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm_storeu_si128, _mm512_broadcast_i32x4, _mm512_castsi128_si512,
    _mm512_inserti32x4, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_maskz_loadu_epi8,
    _mm512_maskz_loadu_epi32, _mm512_set1_epi32, _mm512_storeu_si512,
};

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn u8x64(x: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is valid for 64 bytes; the instruction takes any alignment.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn i8x64(x: &[i8; 64]) -> __m512i {
    // SAFETY: the reference is valid for 64 bytes; the instruction takes any alignment.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

/// Up to 64 bytes, zeros after them. What a mask leaves out is not read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn u8_up_to_64(x: &[u8]) -> __m512i {
    let mask = if x.len() >= 64 { u64::MAX } else { (1 << x.len()) - 1 };
    // SAFETY: the mask has a bit for at most `x.len()` bytes, for which the slice is valid.
    unsafe { _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast()) }
}

/// As [`u8_up_to_64`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn i8_up_to_64(x: &[i8]) -> __m512i {
    let mask = if x.len() >= 64 { u64::MAX } else { (1 << x.len()) - 1 };
    // SAFETY: the mask has a bit for at most `x.len()` bytes, for which the slice is valid.
    unsafe { _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast()) }
}

/// Four bytes in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn i8x4_everywhere(x: &[i8; 4]) -> __m512i {
    _mm512_set1_epi32(i32::from_le_bytes(x.map(i8::cast_unsigned)))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn i32x16(x: &[i32; 16]) -> __m512i {
    // SAFETY: the reference is valid for 64 bytes; the instruction takes any alignment.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_i32x16(out: &mut [i32; 16], v: __m512i) {
    // SAFETY: the reference is valid for 64 bytes; the instruction takes any alignment.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), v) }
}

/// Up to 16 integers, zeros after them. What a mask leaves out is not read.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn i32_up_to_16(x: &[i32]) -> __m512i {
    // SAFETY: the mask has a bit for at most `x.len()` elements, for which the slice is valid.
    unsafe { _mm512_maskz_loadu_epi32(first_of_16(x.len()), x.as_ptr()) }
}

/// The first elements of `v`, as many as `out` takes. What a mask leaves out is not written.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_i32_up_to_16(out: &mut [i32], v: __m512i) {
    // SAFETY: the mask has a bit for at most `out.len()` elements, for which the slice is valid.
    unsafe { _mm512_mask_storeu_epi32(out.as_mut_ptr(), first_of_16(out.len()), v) }
}

fn first_of_16(n: usize) -> u16 {
    if n >= 16 { u16::MAX } else { (1 << n) - 1 }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn to_i32x4(v: __m128i) -> [i32; 4] {
    let mut out = [0; 4];
    // SAFETY: the array is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), v) }
    out
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn to_i64x8(v: __m512i) -> [i64; 8] {
    let mut out = [0; 8];
    // SAFETY: the array is valid for 64 bytes; the instruction takes any alignment.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), v) }
    out
}

/// Sixteen bytes.
#[inline]
#[target_feature(enable = "avx512f")]
fn x16<T>(x: &[T; 16]) -> __m128i {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: the reference is valid for 16 bytes; the instruction takes any alignment.
    unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
}

/// Sixteen bytes of each of four places.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn x16_of_4<T>([a, b, c, d]: [&[T; 16]; 4]) -> __m512i {
    let v = _mm512_castsi128_si512(x16(a));
    let v = _mm512_inserti32x4::<1>(v, x16(b));
    let v = _mm512_inserti32x4::<2>(v, x16(c));
    _mm512_inserti32x4::<3>(v, x16(d))
}

/// Sixteen bytes four times.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn u8x16_everywhere(x: &[u8; 16]) -> __m512i {
    _mm512_broadcast_i32x4(x16(x))
}

/// Asks the second-level cache for the line `bytes` after `x`, which may lie outside every object: a prefetch never
/// faults.
#[inline]
pub(super) fn prefetch_after<T>(x: &T, bytes: usize) {
    let address = core::ptr::from_ref(x).cast::<u8>().wrapping_add(bytes);
    // SAFETY: a prefetch is a hint; it changes nothing the program can see and faults at no address.
    // (Assembly, because the intrinsic is unsafe in some supported compilers and safe in others.)
    unsafe { asm!("prefetcht1 [{}]", in(reg) address, options(nostack, readonly, preserves_flags)) }
}

/// As [`prefetch_after`], into the first-level cache: for lines that the second level has.
#[inline]
pub(super) fn prefetch_near<T>(x: &T, bytes: usize) {
    let address = core::ptr::from_ref(x).cast::<u8>().wrapping_add(bytes);
    // SAFETY: as in `prefetch_after`.
    unsafe { asm!("prefetcht0 [{}]", in(reg) address, options(nostack, readonly, preserves_flags)) }
}
