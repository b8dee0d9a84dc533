//! Translation tables: addresses stay physical, memory gets its attributes
//!
//! Three levels of 4 KiB tables cover 39 bits. Whole gibibytes and 2 MiB pieces become single
//! entries, so that streaming weights costs next to no TLB misses; only edges go down to pages. An
//! entry changes from invalid to valid, or in its permissions, but never from one mapping to
//! another: no break-before-make is needed (Arm ARM DDI 0487, D8.16).

#![expect(unsafe_code, reason = "labelled room: writes translation tables")]

use core::arch::asm;
use core::ops::Range;

/// Bits of an address that the tables translate.
pub(super) const ADDRESS_BITS: u32 = 39;
/// Bytes of a page and of a table.
pub(super) const PAGE_BYTES: u64 = 4096;

/// Tables that RAM leaves for devices: two levels below the root for each of two pages of registers.
const N_DEVICE_TABLES: u64 = 4;

const VALID: u64 = 1;
/// Table at levels 1 and 2, page at level 3.
const TABLE_OR_PAGE: u64 = 1 << 1;
/// Attribute index 1 of MAIR: Normal write-back; index 0 is Device-nGnRE.
const NORMAL: u64 = 1 << 2;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const ACCESSED: u64 = 1 << 10;
const NO_EXECUTE_EL1: u64 = 1 << 53;
const NO_EXECUTE_EL0: u64 = 1 << 54;
const ADDRESS_MASK: u64 = 0x0000_ffff_ffff_f000;

/// What an address may be used for: descriptor bits of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data in RAM.
    Ram,
    /// Constants in RAM.
    Constant,
    /// Instructions.
    Code,
    /// Device registers.
    Device,
}

impl Kind {
    const fn bits(self) -> u64 {
        let memory = VALID | NORMAL | INNER_SHAREABLE | ACCESSED | NO_EXECUTE_EL0;
        match self {
            Self::Ram => memory | NO_EXECUTE_EL1,
            Self::Constant => memory | NO_EXECUTE_EL1 | READ_ONLY,
            Self::Code => memory | READ_ONLY,
            Self::Device => VALID | ACCESSED | NO_EXECUTE_EL0 | NO_EXECUTE_EL1,
        }
    }
}

/// A page of the image before its permissions are known: writable and executable.
pub(super) const PAGE_BOOT: u64 =
    VALID | TABLE_OR_PAGE | NORMAL | INNER_SHAREABLE | ACCESSED | NO_EXECUTE_EL0;
/// A page of the device tree.
pub(super) const PAGE_READ_ONLY: u64 = Kind::Constant.bits() | TABLE_OR_PAGE;

/// The pool of tables is used up; what was asked for is not (or only partly) mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfTables;

/// The active tables and the unused rest of their pool.
#[derive(Debug)]
pub(super) struct Tables {
    root: u64,
    next: u64,
    end: u64,
}

impl Tables {
    /// Takes over the tables that start.s made.
    ///
    /// # Safety
    /// `root` is the active level 1 table, mapped at its physical address; all of `next..end` are
    /// zeroed, unused pages mapped likewise; nobody else changes any of them.
    pub(super) unsafe fn adopt(root: u64, next: u64, end: u64) -> Self {
        Self { root, next, end }
    }

    /// Maps whole pages of `range` that are not mapped yet, one to one; mapped ones stay as they are.
    pub(super) fn map(&mut self, range: Range<u64>, kind: Kind) -> Result<(), OutOfTables> {
        let range = range.start..range.end.min(1 << ADDRESS_BITS);
        let result = self.map_level(self.root, 1, range, kind);
        // SAFETY: orders the table writes above before later accesses through them; no other effect.
        unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
        result
    }

    fn map_level(
        &mut self,
        table: u64,
        level: u32,
        range: Range<u64>,
        kind: Kind,
    ) -> Result<(), OutOfTables> {
        let shift = entry_shift(level);
        let mut address = range.start;
        while address < range.end {
            let end = (((address >> shift) + 1) << shift).min(range.end);
            let slot = slot(table, address, level);
            let entry = read(slot);
            let is_whole = end - address == 1 << shift;
            if level == 3 && entry & VALID == 0 {
                write(slot, address | kind.bits() | TABLE_OR_PAGE);
            } else if level < 3 && entry & VALID == 0 && is_whole {
                write(slot, address | kind.bits());
            } else if level < 3 {
                let is_block = entry & (VALID | TABLE_OR_PAGE) == VALID;
                if !is_block {
                    let lower =
                        if entry & VALID == 0 { self.fresh_table(slot, kind)? } else { entry & ADDRESS_MASK };
                    self.map_level(lower, level + 1, address..end, kind)?;
                }
            }
            address = end;
        }
        Ok(())
    }

    fn fresh_table(&mut self, slot: *mut u64, kind: Kind) -> Result<u64, OutOfTables> {
        // A tree whose RAM is in many pieces must not cost the console.
        let n_kept = if kind == Kind::Ram { N_DEVICE_TABLES } else { 0 };
        if self.next + n_kept * PAGE_BYTES >= self.end {
            return Err(OutOfTables);
        }
        let table = self.next;
        self.next += PAGE_BYTES;
        write(slot, table | TABLE_OR_PAGE | VALID);
        Ok(table)
    }

    /// Changes the permissions of pages that [`PAGE_BOOT`] mapped; `None` takes them away.
    pub(super) fn protect(&mut self, pages: Range<u64>, kind: Option<Kind>) {
        let mut address = pages.start;
        while address < pages.end {
            if let Some(slot) = self.page_slot(address) {
                write(slot, kind.map_or(0, |kind| address | kind.bits() | TABLE_OR_PAGE));
            }
            address += PAGE_BYTES;
        }
        // SAFETY: publishes the writes and drops cached translations; mappings of live code and data
        // keep their addresses and types.
        unsafe {
            asm!("dsb ishst", "tlbi vmalle1", "dsb nsh", "isb", options(nostack, preserves_flags));
        }
    }

    /// The level 3 entry of `address`, if it is mapped by a page.
    fn page_slot(&self, address: u64) -> Option<*mut u64> {
        let mut table = self.root;
        for level in 1..3 {
            let entry = read(slot(table, address, level));
            if entry & (VALID | TABLE_OR_PAGE) != VALID | TABLE_OR_PAGE {
                return None;
            }
            table = entry & ADDRESS_MASK;
        }
        Some(slot(table, address, 3))
    }
}

/// log2 of the bytes that one entry covers: 30, 21, 12.
const fn entry_shift(level: u32) -> u32 {
    12 + 9 * (3 - level)
}

/// The entry for `address` in a table.
fn slot(table: u64, address: u64, level: u32) -> *mut u64 {
    let index = (address >> entry_shift(level)) & 0x1ff;
    (table + index * 8) as *mut u64
}

fn read(slot: *mut u64) -> u64 {
    // SAFETY: `slot` lies in a table of the pool, which `adopt` promised is mapped and ours.
    unsafe { slot.read_volatile() }
}

fn write(slot: *mut u64, entry: u64) {
    // SAFETY: as in `read`; `Tables` is the only writer, and callers hold it exclusively.
    unsafe { slot.write_volatile(entry) }
}
