//! Critical sections: interrupts masked on the one core that runs
//!
//! The heap's lock. With a second core this needs a lock word as well; start.s parks none and
//! starts none, so one core is all there is.

#![expect(unsafe_code, reason = "labelled room: interrupt masks")]

use core::arch::asm;

use critical_section::RawRestoreState;

use super::cpu::read_register;

/// `DAIF.I`, the mask of ordinary interrupts.
const DAIF_I: u64 = 1 << 7;

struct MaskInterrupts;
critical_section::set_impl!(MaskInterrupts);

// SAFETY: one core runs, and with interrupts masked nothing preempts it until `release`; both are
// compiler barriers, since the assembly may touch memory.
unsafe impl critical_section::Impl for MaskInterrupts {
    unsafe fn acquire() -> RawRestoreState {
        let was_masked = read_register!("daif") & DAIF_I != 0;
        // SAFETY: masking interrupts is always sound; no `nomem`, so memory accesses stay inside.
        unsafe { asm!("msr daifset, #2", options(nostack, preserves_flags)) };
        was_masked
    }

    unsafe fn release(was_masked: RawRestoreState) {
        if !was_masked {
            // SAFETY: restores what `acquire` found; no `nomem`, as above.
            unsafe { asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
        }
    }
}
