//! One caller-owned buffer, carved once into typed slices
//!
//! The arena hands out disjoint, zeroed, 64-byte aligned slices front to back and never takes one
//! back: after the session has opened nothing moves and nothing grows. [`Arena::used_bytes`] is
//! the high-water mark that `MemoryPlan` predicts to the byte.
//!
//! The one checked cast between bytes and plain numbers lives here too; model sections and arena
//! memory both go through it.

#![expect(unsafe_code, reason = "labelled room: the byte/number cast every other module relies on")]

use core::fmt;

/// Alignment in bytes of every slice that the arena hands out: one cache line, and enough for any
/// vector load.
pub const ARENA_ALIGN: usize = 64;

/// Rounds `bytes` up to a multiple of [`ARENA_ALIGN`]; `None` when that overflows.
pub const fn align_up(bytes: usize) -> Option<usize> {
    match bytes.checked_add(ARENA_ALIGN - 1) {
        Some(b) => Some(b & !(ARENA_ALIGN - 1)),
        None => None,
    }
}

/// Numbers that every bit pattern is valid for, without padding.
///
/// # Safety
/// An implementing type has no padding bytes, no invalid bit patterns and no drop glue, and its
/// alignment divides [`ARENA_ALIGN`].
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($t:ty),*) => {$(
        // SAFETY: primitive numbers have no padding, accept every bit pattern and do not drop;
        // the assertion below checks the alignment.
        unsafe impl Plain for $t {}
        const _: () = assert!(ARENA_ALIGN.is_multiple_of(align_of::<$t>()));
    )*};
}
plain!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

/// Views `bytes` as numbers of type `T`, in the machine's little-endian order.
///
/// Returns `None` if the base is not aligned for `T` or the length is no multiple of its size.
#[must_use]
pub fn cast_slice<T: Plain>(bytes: &[u8]) -> Option<&[T]> {
    let size = size_of::<T>();
    if !bytes.len().is_multiple_of(size) || !bytes.as_ptr().cast::<T>().is_aligned() {
        return None;
    }
    // SAFETY: base alignment and length were checked above; `T: Plain` accepts any bytes; the
    // result borrows `bytes`, so the memory stays live and unwritten.
    Some(unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), bytes.len() / size) })
}

/// Views mutable `bytes` as numbers of type `T`; `None` as in [`cast_slice`].
#[must_use]
pub fn cast_slice_mut<T: Plain>(bytes: &mut [u8]) -> Option<&mut [T]> {
    let size = size_of::<T>();
    if !bytes.len().is_multiple_of(size) || !bytes.as_ptr().cast::<T>().is_aligned() {
        return None;
    }
    // SAFETY: as in `cast_slice`; the exclusive borrow passes on, and `T: Plain` means that any
    // value written leaves valid bytes behind.
    Some(unsafe { core::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<T>(), bytes.len() / size) })
}

/// Views mutable numbers as their bytes.
pub(crate) fn bytes_mut<T: Plain>(numbers: &mut [T]) -> &mut [u8] {
    let len = size_of_val(numbers);
    // SAFETY: `T: Plain` has no padding and accepts whatever bytes are written; u8 needs no alignment, and the exclusive
    // borrow passes on.
    unsafe { core::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast::<u8>(), len) }
}

#[cfg(target_endian = "big")]
compile_error!("ternlet reads its little-endian model format in place: big-endian targets are not supported");

/// Why the arena could not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArenaError {
    /// The buffer is smaller than the plan.
    Exhausted {
        /// Bytes that the whole plan needs (or, inside a carve, the end of the slice asked for).
        need: usize,
        /// Bytes in the buffer.
        have: usize,
    },
    /// The buffer's base address is no multiple of [`ARENA_ALIGN`].
    Misaligned {
        /// Address modulo [`ARENA_ALIGN`].
        remainder: usize,
    },
}

impl fmt::Display for ArenaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exhausted { need, have } => {
                write!(f, "arena too small: need {need} bytes, have {have}")
            }
            Self::Misaligned { remainder } => {
                write!(f, "arena base must be a multiple of {ARENA_ALIGN}, is {remainder} past one")
            }
        }
    }
}

impl core::error::Error for ArenaError {}

/// A front-to-back carver over one `&mut [u8]`.
#[derive(Debug)]
pub struct Arena<'a> {
    rest: &'a mut [u8],
    capacity: usize,
    used: usize,
}

impl<'a> Arena<'a> {
    /// Takes the buffer.
    ///
    /// # Errors
    /// [`ArenaError::Misaligned`] if its base is not 64-byte aligned.
    pub fn new(buffer: &'a mut [u8]) -> Result<Self, ArenaError> {
        let remainder = buffer.as_ptr().addr() % ARENA_ALIGN;
        if remainder != 0 {
            return Err(ArenaError::Misaligned { remainder });
        }
        let capacity = buffer.len();
        Ok(Self { rest: buffer, capacity, used: 0 })
    }

    /// Carves `len` zeroed numbers, 64-byte aligned.
    ///
    /// # Errors
    /// [`ArenaError::Exhausted`] if the buffer does not hold them.
    pub fn alloc<T: Plain>(&mut self, len: usize) -> Result<&'a mut [T], ArenaError> {
        let exhausted = |need| ArenaError::Exhausted { need, have: self.capacity };
        let bytes = len.checked_mul(size_of::<T>()).ok_or(exhausted(usize::MAX))?;
        let padded = align_up(bytes).ok_or(exhausted(usize::MAX))?;
        if padded > self.rest.len() {
            return Err(exhausted(self.used.saturating_add(padded)));
        }
        let (taken, rest) = core::mem::take(&mut self.rest).split_at_mut(padded);
        self.rest = rest;
        self.used += padded;
        taken.fill(0);
        cast_slice_mut(&mut taken[..bytes])
            .ok_or(ArenaError::Misaligned { remainder: self.used % ARENA_ALIGN })
    }

    /// Bytes carved so far, padding included: the high-water mark, since nothing is given back.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(64))]
    struct Aligned([u8; 256]);

    #[test]
    fn slices_are_disjoint_aligned_and_zeroed() {
        let mut buffer = Aligned([7; 256]);
        let mut arena = Arena::new(&mut buffer.0).unwrap();
        let a = arena.alloc::<f32>(3).unwrap();
        let b = arena.alloc::<u8>(65).unwrap();
        assert_eq!((a.len(), b.len()), (3, 65));
        assert!(a.iter().all(|v| *v == 0.0) && b.iter().all(|v| *v == 0));
        assert_eq!(a.as_ptr().addr() % 64, 0);
        assert_eq!(b.as_ptr().addr() % 64, 0);
        assert_eq!(arena.used_bytes(), 64 + 128);
        assert_eq!(arena.alloc::<u8>(65), Err(ArenaError::Exhausted { need: 320, have: 256 }));
        assert_eq!(arena.alloc::<u64>(8).map(|s| s.len()), Ok(8));
        assert_eq!(arena.used_bytes(), 256);
    }

    #[test]
    fn a_misaligned_base_and_an_absurd_length_are_typed_errors() {
        let mut buffer = Aligned([0; 256]);
        assert_eq!(
            Arena::new(&mut buffer.0[1..]).map(|a| a.used_bytes()),
            Err(ArenaError::Misaligned { remainder: 1 })
        );
        let mut arena = Arena::new(&mut buffer.0).unwrap();
        assert!(matches!(arena.alloc::<f64>(usize::MAX), Err(ArenaError::Exhausted { have: 256, .. })));
    }

    #[test]
    fn cast_slice_refuses_odd_bases_and_lengths() {
        let buffer = Aligned([1; 256]);
        assert_eq!(cast_slice::<u16>(&buffer.0[..4]), Some(&[0x0101u16, 0x0101][..]));
        assert_eq!(cast_slice::<u16>(&buffer.0[1..5]), None);
        assert_eq!(cast_slice::<u32>(&buffer.0[..6]), None);
    }
}
