//! Arm boards, bare metal and Linux.
//!
//! Three programs share this crate: `ternlet-image` (the session on a UART, without an operating
//! system), `ternlet-qemu` (builds and boots that image in QEMU) and `ternlet-serial` (the session
//! on a Linux terminal or serial device). What needs no privilege (device tree, memory ranges, boot
//! arguments, the ELF flattener) compiles and is tested on every host.
#![no_std]

#[cfg(not(target_os = "none"))]
extern crate std;

#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
extern crate alloc;

#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
mod arch;
mod boot_args;
mod bsp;
mod device_tree;
mod driver;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
mod image;
mod ranges;

pub use boot_args::{BootArgs, Drill, OnFault};
pub use bsp::{Board, Conduit, ConsoleKind};
pub use device_tree::{DeviceTree, DeviceTreeError, Node, NodePath, Region};
pub use driver::{Pl011, Port, Registers, SerialPort, Uart};
#[cfg(not(target_os = "none"))]
pub use host::{BuildError, ElfError, EntryLevel, Machine, build_image, flatten};
pub use ranges::Ranges;
