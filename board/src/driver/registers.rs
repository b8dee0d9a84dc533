//! A window of memory-mapped registers

#![expect(unsafe_code, reason = "labelled room: volatile access to device registers")]

use core::ptr::NonNull;

/// Registers of one device. Copies name the same device: a driver keeps no state of its own that
/// two copies could disagree about.
#[derive(Debug, Clone, Copy)]
pub struct Registers {
    base: NonNull<u8>,
    n_bytes: usize,
}

// SAFETY: the window is valid from every core for ever (contract of `new`), and each access is one
// volatile load or store of an aligned word.
unsafe impl Send for Registers {}
// SAFETY: as above; the device itself orders concurrent accesses to one register.
unsafe impl Sync for Registers {}

impl Registers {
    /// Wraps a window of registers.
    ///
    /// # Safety
    /// For the rest of the program, `n_bytes` bytes from `base` are mapped as device memory (or are
    /// plain memory in a test), belong to one device and hold no Rust object; `base` is 4-byte aligned.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, n_bytes: usize) -> Self {
        Self { base, n_bytes }
    }

    /// Reads the 32-bit register at `offset` bytes.
    ///
    /// # Panics
    /// If the register does not lie inside the window.
    #[must_use]
    pub fn read(self, offset: usize) -> u32 {
        // SAFETY: `pointer` checked alignment and bounds; `new` promised that the window is mapped.
        unsafe { self.pointer(offset).read_volatile() }
    }

    /// Writes the 32-bit register at `offset` bytes.
    ///
    /// # Panics
    /// If the register does not lie inside the window.
    pub fn write(self, offset: usize, value: u32) {
        // SAFETY: as in `read`.
        unsafe { self.pointer(offset).write_volatile(value) }
    }

    fn pointer(self, offset: usize) -> *mut u32 {
        assert!(
            offset.is_multiple_of(4) && offset <= self.n_bytes.saturating_sub(4) && self.n_bytes >= 4,
            "register outside its device"
        );
        self.base.as_ptr().wrapping_add(offset).cast()
    }
}
