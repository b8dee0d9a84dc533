//! Exceptions: none is expected, each is reported
//!
//! Source: Arm ARM DDI 0487, D1.3 "Exceptions" and D24 (`ESR_EL1`).

#![expect(unsafe_code, reason = "labelled room: exception entry and its registers")]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicBool, Ordering};

use super::cpu::read_register;
use super::{Memory, after_fault};
use crate::driver::say;

/// Registers of the interrupted code, in the order in which vectors.s stores them.
#[derive(Debug)]
#[repr(C)]
struct Frame {
    x: [u64; 31],
    sp: u64,
}

const _: () =
    assert!(size_of::<Frame>() == 256, "vectors.s stores 32 double words, sp stays 16-byte aligned");

global_asm!(
    include_str!("vectors.s"),
    report = sym exception_report,
    FRAME_BYTES = const size_of::<Frame>(),
);

/// Set by the first report: a fault inside it must not report again.
static IS_REPORTING: AtomicBool = AtomicBool::new(false);

/// From here on a system error (a write that no device took, memory that lost a bit) is reported. Before,
/// there is no console to report on.
pub(crate) fn report_system_errors() {
    // SAFETY: clears DAIF.A alone; the vectors stand (start.s) and no exception returns.
    unsafe { asm!("msr daifclr, #4", options(nostack, preserves_flags)) };
}

/// Prints what happened, where and with which registers, then parks, resets or powers off.
extern "C" fn exception_report(vector: u64, frame: &Frame) -> ! {
    if !IS_REPORTING.swap(true, Ordering::Relaxed) {
        let (syndrome, address) = (read_register!("esr_el1"), read_register!("far_el1"));
        let (at, state) = (read_register!("elr_el1"), read_register!("spsr_el1"));
        let kind =
            ["synchronous exception", "interrupt", "fast interrupt", "system error"][(vector & 3) as usize];
        say!("\nfault: {kind}: {} (vector {vector})\n", class(syndrome));
        let image = Memory::image();
        say!("  ESR {syndrome:#018x}  FAR {address:#018x}  SPSR {state:#x}\n");
        say!("  ELR {at:#018x}  = image + {:#x}\n", at.wrapping_sub(image.start));
        for (i, pair) in frame.x.chunks(2).enumerate() {
            say!("  x{:<2} {:#018x}", 2 * i, pair[0]);
            match pair.get(1) {
                Some(second) => say!("  x{:<2} {second:#018x}\n", 2 * i + 1),
                None => say!("  sp  {:#018x}\n", frame.sp),
            }
        }
    }
    after_fault()
}

/// The exception class, bits 31:26 of the syndrome, in words.
fn class(syndrome: u64) -> &'static str {
    match syndrome >> 26 & 0x3f {
        0x00 => "unknown instruction",
        0x07 => "floating point trapped",
        0x0e => "illegal execution state",
        0x15 => "supervisor call",
        0x16 => "hypervisor call",
        0x17 => "secure monitor call",
        0x18 => "system register trapped",
        0x20 | 0x21 => "instruction abort",
        0x22 => "misaligned program counter",
        0x24 | 0x25 => "data abort",
        0x26 => "misaligned stack pointer",
        0x2c => "floating point exception",
        0x2f => "system error",
        0x3c => "breakpoint instruction",
        _ => "class not named here, see ESR bits 31:26",
    }
}
