//! Faults on purpose, to see the report before one happens by itself

#![expect(unsafe_code, reason = "labelled room: accesses that must fault")]

use core::arch::asm;

use super::Memory;
use crate::boot_args::Drill;

/// Goes wrong as asked.
pub(crate) fn drill(kind: Drill) {
    match kind {
        Drill::NullRead => {
            // SAFETY: page 0 is never mapped (`Memory::adopt` gives it to nobody), so the load faults
            // and the report does not return; as assembly it is opaque to the compiler.
            unsafe { asm!("ldr {0}, [{0}]", inout(reg) 0x10_u64 => _, options(nostack, preserves_flags)) };
        }
        Drill::CodeWrite => {
            // SAFETY: the image's first page is mapped read-only (`Memory::from_start`), so the store
            // faults and changes nothing; the report does not return.
            unsafe {
                asm!("str xzr, [{}]", in(reg) Memory::image().start, options(nostack, preserves_flags));
            };
        }
        Drill::Panic => panic!("a panic as the boot arguments asked"),
        Drill::StackOverflow => {
            core::hint::black_box(recurse(1));
        }
        Drill::Allocate => {
            core::hint::black_box(alloc::vec![0_u8; 64]);
        }
    }
}

/// Takes a kilobyte of stack per call, until the guard page ends it.
fn recurse(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 128]);
    if depth == u64::MAX { depth } else { recurse(depth + 1).wrapping_add(frame[5]) }
}
