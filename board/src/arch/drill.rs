//! Faults on purpose, to see the report before one happens by itself

#![expect(unsafe_code, reason = "labelled room: a read through a bad address")]

use core::ptr;

use crate::boot_args::Drill;

/// Goes wrong as asked.
pub(crate) fn drill(kind: Drill) {
    match kind {
        Drill::NullRead => {
            // SAFETY: none is claimed: page 0 is never mapped, so this faults, which is the point.
            let _ = unsafe { ptr::without_provenance::<u32>(0x10).read_volatile() };
        }
        Drill::CodeWrite => {
            let code = super::Memory::image().start as *mut u32;
            // SAFETY: none is claimed: code is mapped read-only, so this faults, which is the point.
            unsafe { code.write_volatile(0) };
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

/// Takes a kilobyte of stack per call.
fn recurse(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 128]);
    if depth == u64::MAX { depth } else { recurse(depth + 1).wrapping_add(frame[5]) }
}
