//! Physical memory, handed out once
//!
//! [`Memory`] knows which RAM is mapped and nobody's. [`Memory::take`] turns a part of it into a
//! slice and forgets that part, so two owners can never meet. The device tree is trusted to tell
//! RAM from devices; nothing else is.

#![expect(unsafe_code, reason = "labelled room: makes slices and registers out of physical addresses")]

use core::ops::Range;
use core::ptr::NonNull;

use super::tables::{ADDRESS_BITS, Kind, PAGE_BYTES, Tables};
use crate::device_tree::{DeviceTree, Region};
use crate::driver::Registers;
use crate::ranges::Ranges;

// Page-aligned borders of the image, from link/image.ld. Only their addresses mean anything.
unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
    static __exception_guard: u8;
    static __stack_guard: u8;
    static __tables_start: u8;
    static __tables_end: u8;
}

/// The address of a linker symbol.
macro_rules! address_of {
    ($symbol:ident) => {
        // Taking the address reads nothing, which is why the compiler calls it safe.
        (&raw const $symbol) as u64
    };
}

/// Mapped RAM that has no owner yet.
#[derive(Debug)]
pub(crate) struct Memory {
    tables: Tables,
    ram: Ranges,
    free: Ranges,
    device_tree: Range<u64>,
}

impl Memory {
    /// Takes over from start.s and gives the pages of the image their permissions.
    ///
    /// # Safety
    /// Called once, by the code that start.s enters, with its table pointer.
    pub(super) unsafe fn from_start(next_table: usize) -> Self {
        // SAFETY: start.s activated the tables at `__tables_start` and cleared the pool.
        let mut tables = unsafe {
            Tables::adopt(address_of!(__tables_start), next_table as u64, address_of!(__tables_end))
        };
        tables.protect(address_of!(__image_start)..address_of!(__text_end), Some(Kind::Code));
        tables.protect(address_of!(__text_end)..address_of!(__rodata_end), Some(Kind::Constant));
        tables.protect(address_of!(__rodata_end)..address_of!(__image_end), Some(Kind::Ram));
        for guard in [address_of!(__exception_guard), address_of!(__stack_guard)] {
            tables.protect(guard..guard + PAGE_BYTES, None);
        }
        Self { tables, ram: Ranges::new(), free: Ranges::new(), device_tree: 0..0 }
    }

    /// Addresses of the image, with its stacks and tables.
    pub(crate) fn image() -> Range<u64> {
        address_of!(__image_start)..address_of!(__image_end)
    }

    /// The device tree at `address`, if its header is believable. Called before [`Self::adopt`];
    /// start.s has mapped the page of its first bytes.
    pub(super) fn device_tree(&mut self, address: u64) -> Option<&'static [u8]> {
        const HEADER_BYTES: usize = 8;
        if address == 0 || !address.is_multiple_of(8) {
            return None;
        }
        // SAFETY: start.s mapped the page of `address`, which holds 8 aligned bytes; nobody writes there.
        let header = unsafe { core::slice::from_raw_parts(address as *const u8, HEADER_BYTES) };
        let n_bytes = DeviceTree::claimed_bytes(header)?;
        let end = address.checked_add(n_bytes as u64)?;
        self.tables.map(outward(address..end), Kind::Constant).ok()?;
        self.device_tree = address..end;
        // SAFETY: mapped read-only just above; `adopt` keeps this range out of what is handed out.
        Some(unsafe { core::slice::from_raw_parts(address as *const u8, n_bytes) })
    }

    /// Maps `ram` except page 0 and offers `free` of it, less the image and the device tree.
    pub(crate) fn adopt(&mut self, ram: &Ranges, free: &Ranges) {
        self.free = free.clone();
        // The image is mapped already, but for its guard pages, which must stay as they are. Page 0 is
        // never mapped, so that following a null pointer faults.
        let mut unmapped = ram.clone();
        unmapped.remove(Self::image());
        unmapped.remove(0..PAGE_BYTES);
        for piece in unmapped.iter() {
            let pages = inward(piece.start..piece.end.min(1 << ADDRESS_BITS));
            if self.tables.map(pages.clone(), Kind::Ram).is_ok() {
                self.ram.insert(pages);
            }
        }
        self.ram.insert(Self::image());
        // What could not be mapped is not offered.
        self.free.keep_within(&self.ram);
        for owned in [Self::image(), outward(self.device_tree.clone())] {
            self.free.remove(owned);
        }
    }

    /// RAM that is mapped.
    pub(crate) fn ram(&self) -> &Ranges {
        &self.ram
    }

    /// RAM that is still free.
    pub(crate) fn free(&self) -> &Ranges {
        &self.free
    }

    /// Hands out `range` for ever; `None` unless all of it is free.
    pub(crate) fn take(&mut self, range: Range<u64>) -> Option<&'static mut [u8]> {
        if range.is_empty() || !self.free.contains(&range) {
            return None;
        }
        self.free.remove(range.clone());
        let n_bytes = usize::try_from(range.end - range.start).ok()?;
        // SAFETY: `free` holds only mapped RAM that nobody owns and not page 0 (`adopt`), and this
        // range left it just now: the slice is exclusive.
        Some(unsafe { core::slice::from_raw_parts_mut(range.start as *mut u8, n_bytes) })
    }

    /// Hands out up to `n_bytes` at the end of the largest free piece, aligned to `align`.
    pub(crate) fn take_top(&mut self, n_bytes: u64, align: u64) -> Option<&'static mut [u8]> {
        let piece = self.free.largest()?;
        let start = piece.end.checked_sub(n_bytes)? / align * align;
        if start < piece.start {
            return None;
        }
        self.take(start..start + n_bytes)
    }

    /// Maps the registers of a device; `None` if they overlap RAM or lie too high.
    pub(crate) fn device(&mut self, region: Region, window_bytes: u64) -> Option<Registers> {
        let window = region.address..region.address.checked_add(window_bytes)?;
        let pages = outward(window.clone());
        let is_ours = pages.end <= 1 << ADDRESS_BITS && !self.ram.intersects(&pages);
        if !is_ours || window_bytes > region.bytes || !window.start.is_multiple_of(4) {
            return None;
        }
        self.tables.map(pages, Kind::Device).ok()?;
        let base = NonNull::new(window.start as *mut u8)?;
        // SAFETY: mapped as device memory just above, word aligned, disjoint from RAM and so from
        // every Rust object.
        Some(unsafe { Registers::new(base, usize::try_from(window_bytes).ok()?) })
    }
}

/// The whole pages inside `range`.
fn inward(range: Range<u64>) -> Range<u64> {
    range.start.saturating_add(PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES..range.end / PAGE_BYTES * PAGE_BYTES
}

/// The pages that `range` touches.
fn outward(range: Range<u64>) -> Range<u64> {
    range.start / PAGE_BYTES * PAGE_BYTES..range.end.saturating_add(PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES
}
