//! AArch64 without an operating system: start-up, translation, faults, clock, power, heap
//!
//! Knows Arm, no board: what it maps and where comes from the caller.

mod clock;
mod cpu;
mod critical;
mod drill;
mod heap;
mod memory;
mod power;
mod start;
mod tables;
mod vectors;

pub(crate) use clock::{start_event_stream, uptime_ns, wait_for_event};
pub(crate) use cpu::{CoreName, kernel_features, physical_bits};
pub(crate) use drill::drill;
pub(crate) use heap::{add_heap, heap_capacity, heap_use, seal_heap};
pub(crate) use memory::Memory;
pub(crate) use power::{after_fault, configure_power, power_off, reset};
pub(crate) use vectors::report_system_errors;
