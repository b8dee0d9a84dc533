//! Loads and stores from types that say how they are aligned.
//!
//! `Aligned<[T; N]>` stands on a 16-byte boundary and loads with one instruction everywhere. A plain `[T; N]` stands on
//! its element's boundary: one instruction where unaligned access is allowed (Linux), one per element where it is not.
#![expect(
    unsafe_code,
    reason = "vector loads and stores, and one checked cast of a slice to aligned elements"
)]

use core::arch::aarch64::{float32x4_t, int8x16_t, int32x4_t, uint8x16_t, uint16x8_t};
use core::arch::asm;

/// A value on a 16-byte boundary.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct Aligned<T>(pub(super) T);

/// The same elements with their alignment proved, if they have it.
#[inline]
pub(super) fn aligned<T>(elements: &[T]) -> Option<&[Aligned<T>]> {
    const { assert!(size_of::<Aligned<T>>() == size_of::<T>(), "whole vectors") };
    let pointer = elements.as_ptr().cast::<Aligned<T>>();
    if !pointer.is_aligned() {
        return None;
    }
    // SAFETY: the pointer is aligned (checked above), and `Aligned<T>` is one `T` of the same size (checked at compile
    // time), so the same bytes are as many valid elements.
    Some(unsafe { core::slice::from_raw_parts(pointer, elements.len()) })
}

/// [`aligned`], to write through.
#[inline]
pub(super) fn aligned_mut<T>(elements: &mut [T]) -> Option<&mut [Aligned<T>]> {
    const { assert!(size_of::<Aligned<T>>() == size_of::<T>(), "whole vectors") };
    let pointer = elements.as_mut_ptr().cast::<Aligned<T>>();
    if !pointer.is_aligned() {
        return None;
    }
    // SAFETY: as in `aligned`; the borrow is exclusive and passes to the result.
    Some(unsafe { core::slice::from_raw_parts_mut(pointer, elements.len()) })
}

/// [`aligned`] for slices whose alignment `shape.rs` has checked.
#[inline]
#[track_caller]
pub(super) fn expect_aligned<T>(elements: &[T]) -> &[Aligned<T>] {
    aligned(elements).expect("shape.rs checked the alignment")
}

/// One vector, or an array of them, from memory.
pub(super) trait Load {
    /// The register or registers.
    type Vector;

    /// Reads all of `self`.
    fn load(&self) -> Self::Vector;
}

/// A vector read at its element's alignment.
#[repr(C, packed(4))]
struct AlignedTo4<V>(V);
#[repr(C, packed(2))]
struct AlignedTo2<V>(V);
#[repr(C, packed(1))]
struct AlignedTo1<V>(V);

macro_rules! load {
    ($($memory:ty => $vector:ty, $packed:ident;)*) => {
        $(impl Load for Aligned<$memory> {
            type Vector = $vector;

            #[inline(always)]
            fn load(&self) -> $vector {
                const { assert!(size_of::<Self>() == size_of::<$vector>() && align_of::<Self>() == 16) };
                // SAFETY: the reference is valid for the vectors' bytes and its type is aligned to 16.
                unsafe { core::ptr::from_ref(self).cast::<$vector>().read() }
            }
        }

        impl Load for $memory {
            type Vector = $vector;

            #[inline(always)]
            fn load(&self) -> $vector {
                const { assert!(size_of::<Self>() == size_of::<$vector>()) };
                const { assert!(align_of::<Self>() == align_of::<$packed<$vector>>()) };
                // SAFETY: the reference is valid for the vectors' bytes and has the packed type's alignment.
                unsafe { core::ptr::from_ref(self).cast::<$packed<$vector>>().read().0 }
            }
        })*
    };
}

load! {
    [u8; 16] => uint8x16_t, AlignedTo1;
    [i8; 16] => int8x16_t, AlignedTo1;
    [u16; 8] => uint16x8_t, AlignedTo2;
    [f32; 4] => float32x4_t, AlignedTo4;
    [i32; 4] => int32x4_t, AlignedTo4;
    [u16; 16] => [uint16x8_t; 2], AlignedTo2;
    [f32; 16] => [float32x4_t; 4], AlignedTo4;
}

/// Sixteen f32 that are read and written in registers.
pub(super) trait Store: Load<Vector = [float32x4_t; 4]> {
    /// Overwrites all of `self`.
    fn store(&mut self, v: [float32x4_t; 4]);
}

impl Store for Aligned<[f32; 16]> {
    #[inline(always)]
    fn store(&mut self, v: [float32x4_t; 4]) {
        const { assert!(size_of::<Self>() == size_of::<[float32x4_t; 4]>() && align_of::<Self>() == 16) };
        // SAFETY: the reference is valid for the vectors' bytes and its type is aligned to 16.
        unsafe { core::ptr::from_mut(self).cast::<[float32x4_t; 4]>().write(v) }
    }
}

impl Store for [f32; 16] {
    #[inline(always)]
    fn store(&mut self, v: [float32x4_t; 4]) {
        for (quad, v) in self.as_chunks_mut().0.iter_mut().zip(v) {
            store_f32x4(quad, v);
        }
    }
}

/// Writes four f32 at their own alignment.
#[inline(always)]
pub(super) fn store_f32x4(out: &mut [f32; 4], v: float32x4_t) {
    // SAFETY: the reference is valid for 16 bytes and has the packed type's alignment.
    unsafe { core::ptr::from_mut(out).cast::<AlignedTo4<float32x4_t>>().write(AlignedTo4(v)) }
}

/// Writes four int32 at their own alignment.
#[inline(always)]
pub(super) fn store_i32x4(out: &mut [i32; 4], v: int32x4_t) {
    // SAFETY: the reference is valid for 16 bytes and has the packed type's alignment.
    unsafe { core::ptr::from_mut(out).cast::<AlignedTo4<int32x4_t>>().write(AlignedTo4(v)) }
}

/// Writes sixteen bytes on their boundary.
#[inline(always)]
pub(super) fn store_u8x16(out: &mut Aligned<[u8; 16]>, v: uint8x16_t) {
    // SAFETY: the reference is valid for 16 bytes and its type is aligned to 16.
    unsafe { core::ptr::from_mut(out).cast::<uint8x16_t>().write(v) }
}

/// Writes eight halves at their own alignment.
#[inline(always)]
pub(super) fn store_u16x8(out: &mut [u16; 8], v: uint16x8_t) {
    // SAFETY: the reference is valid for 16 bytes and has the packed type's alignment.
    unsafe { core::ptr::from_mut(out).cast::<AlignedTo2<uint16x8_t>>().write(AlignedTo2(v)) }
}

/// Asks for the cache line at `address`, which may lie outside every object: a prefetch never faults.
#[inline(always)]
pub(super) fn prefetch(address: *const u8) {
    // SAFETY: a prefetch is a hint; it changes nothing the program can see and faults at no address.
    unsafe { asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags)) }
}

/// [`prefetch`] of `LINES` cache lines of 64 bytes from `address` on.
#[inline(always)]
pub(super) fn prefetch_lines<const LINES: usize>(address: *const u8) {
    const { assert!(LINES <= 5) };
    macro_rules! line {
        ($($i:literal)*) => {
            $(if LINES > $i {
                // SAFETY: as in `prefetch`.
                unsafe {
                    asm!(
                        "prfm pldl1keep, [{}, #{}]", in(reg) address, const 64 * $i,
                        options(nostack, readonly, preserves_flags),
                    );
                }
            })*
        };
    }
    line!(0 1 2 3 4);
}

/// Asks for the cache line `BYTES` after `x`: [`prefetch`] in one instruction. A multiple of 8 up to 32760.
#[inline(always)]
pub(super) fn prefetch_after<const BYTES: usize, T>(x: &T) {
    // SAFETY: as in `prefetch`.
    unsafe {
        asm!(
            "prfm pldl1keep, [{address}, #{bytes}]",
            address = in(reg) core::ptr::from_ref(x), bytes = const BYTES,
            options(nostack, readonly, preserves_flags),
        );
    }
}

/// The same vector, of which the compiler knows nothing.
#[inline(always)]
pub(super) fn opaque(mut v: int8x16_t) -> int8x16_t {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {:v} */", inout(vreg) v, options(pure, nomem, nostack, preserves_flags)) }
    v
}
