//! The generic timer: time since power-on, and a pulse to wake waiting cores
//!
//! Source: Arm ARM DDI 0487, D12 "The Generic Timer", event streams in D12.2.4.

#![expect(unsafe_code, reason = "labelled room: timer registers and wait instructions")]

use core::arch::asm;

use super::cpu::read_register;

/// Pulses per second that wake a waiting core: a 16-byte FIFO at 921600 baud fills in 174 us.
const EVENT_HZ: u64 = 10_000;

/// Nanoseconds since the counter started.
pub(crate) fn uptime_ns() -> u64 {
    const NS_PER_S: u64 = 1_000_000_000;
    // SAFETY: a barrier, so that the counter is not read early.
    unsafe { asm!("isb", options(nomem, nostack, preserves_flags)) };
    let ticks = read_register!("cntvct_el0");
    let hz = read_register!("cntfrq_el0").max(1);
    // In two parts, because the ticks of a day times a billion do not fit.
    (ticks / hz).wrapping_mul(NS_PER_S) + ticks % hz * NS_PER_S / hz
}

/// Lets the counter send an event about [`EVENT_HZ`] times a second, so that `wfe` ends.
pub(crate) fn start_event_stream() {
    const ENABLE: u64 = 1 << 2;
    // An event comes at each 0-to-1 change of this bit of the counter, once in 2^(bit+1) ticks.
    let ticks = (read_register!("cntfrq_el0") / EVENT_HZ).max(2);
    let bit = u64::from(ticks.ilog2() - 1).min(15);
    // SAFETY: sets the event stream alone; EL0, whose access bits become zero, runs nothing.
    unsafe {
        asm!("msr cntkctl_el1, {}", "isb", in(reg) ENABLE | bit << 4, options(nomem, nostack, preserves_flags));
    };
}

/// Sleeps until the next event; at most one period of the event stream.
pub(crate) fn wait_for_event() {
    // SAFETY: a hint; it changes no register and no memory.
    unsafe { asm!("wfe", options(nomem, nostack, preserves_flags)) };
}
