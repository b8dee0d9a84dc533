//! The entry: from the loader's jump to Rust
//!
//! start.s does what Rust cannot do for itself: choose the exception level, turn translation on,
//! relocate, set stacks. It ends in [`kmain`], as the start-up crates of the `cortex-a-rt` family
//! end in theirs.

#![expect(unsafe_code, reason = "labelled room: entry code and the hand-over of physical memory")]

use core::arch::global_asm;

use super::memory::Memory;
use super::tables::{PAGE_BOOT, PAGE_READ_ONLY};

/// Image header flags: little endian, 4 KiB pages, loadable anywhere
/// (Linux Documentation/arch/arm64/booting.rst).
const IMAGE_FLAGS: u64 = 0b1010;

/// `SCR_EL3`: NS, RES1 bits 5:4, HCE, RW (Arm ARM DDI 0487, D24).
const SCR_EL3: u64 = 1 | 0b11 << 4 | 1 << 8 | 1 << 10;
/// `SCTLR_EL2` with everything off: the RES1 bits.
const SCTLR_EL2: u64 = 0x30c5_0830;
/// `SCTLR_EL1` with everything off: the RES1 bits of Armv8.0.
const SCTLR_EL1_OFF: u64 = 0x30d0_0800;
/// `SCTLR_EL1` with MMU (M), data cache (C) and instruction cache (I) on.
const SCTLR_EL1_ON: u64 = SCTLR_EL1_OFF | 1 | 1 << 2 | 1 << 12;
/// `SPSR`: EL2 on its own stack pointer, all exceptions masked.
const SPSR_EL2H: u64 = 0x3c9;
/// `SPSR`: EL1 on its own stack pointer, all exceptions masked.
const SPSR_EL1H: u64 = 0x3c5;
/// `HCR_EL2.RW`: EL1 is AArch64; nothing else is trapped or virtualised.
const HCR_EL2_RW: u64 = 1 << 31;
/// `CPTR_EL2`: RES1 bits; floating point is not trapped.
const CPTR_EL2: u64 = 0x33ff;
/// `CPACR_EL1.FPEN`: floating point and SIMD are not trapped.
const CPACR_FP: u64 = 0b11 << 20;
/// `MAIR_EL1`: attribute 0 Device-nGnRE, 1 Normal write-back, 2 Normal non-cacheable.
const MAIR: u64 = 0x44_ff_04;
/// `TCR_EL1`: T0SZ 25 (39-bit addresses), TTBR1 off, 4 KiB granule, cacheable inner-shareable walks.
const TCR: u64 = 25 | 0b01 << 8 | 0b01 << 10 | 0b11 << 12 | 1 << 23;
/// The one relocation type in a position-independent image without symbols (ELF for AArch64, 5.7.16).
const R_AARCH64_RELATIVE: u64 = 1027;

global_asm!(
    include_str!("start.s"),
    kmain = sym kmain,
    IMAGE_FLAGS = const IMAGE_FLAGS,
    SCR_EL3 = const SCR_EL3,
    SCTLR_EL2 = const SCTLR_EL2,
    SCTLR_EL1_OFF = const SCTLR_EL1_OFF,
    SCTLR_EL1_ON = const SCTLR_EL1_ON,
    SPSR_EL2H = const SPSR_EL2H,
    SPSR_EL1H = const SPSR_EL1H,
    HCR_EL2_RW = const HCR_EL2_RW,
    CPTR_EL2 = const CPTR_EL2,
    CPACR_FP = const CPACR_FP,
    MAIR = const MAIR,
    TCR = const TCR,
    R_AARCH64_RELATIVE = const R_AARCH64_RELATIVE,
    PAGE_BOOT = const PAGE_BOOT,
    PAGE_READ_ONLY = const PAGE_READ_ONLY,
);

/// The first Rust code: `device_tree` as the loader passed it, `next_table` the first translation
/// table that start.s left unused, `level` the exception level that the loader entered.
extern "C" fn kmain(device_tree: usize, next_table: usize, level: u64) -> ! {
    // SAFETY: start.s calls this once, with the linker script's tables active and `next_table` inside.
    let mut memory = unsafe { Memory::from_start(next_table) };
    let tree = memory.device_tree(device_tree as u64).unwrap_or_default();
    crate::image::main(memory, tree, level)
}
