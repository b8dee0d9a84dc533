#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(not(target_os = "none"))]
extern crate std;

#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
extern crate alloc;

#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
mod arch;
mod boot_args;
mod bsp;
mod conversation;
mod device_tree;
mod driver;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
mod image;
mod ranges;

pub use boot_args::{BootArgs, Drill, OnFault};
pub use bsp::{Board, Conduit, ConsoleKind};
pub use conversation::console_options;
pub use device_tree::{DeviceTree, DeviceTreeError, Node, NodePath, Region};
pub use driver::{Pl011, Port, Registers, SerialPort, Uart};
#[cfg(not(target_os = "none"))]
pub use host::{BuildError, ElfError, EntryLevel, Machine, build_image, flatten, shipped_model};
pub use ranges::Ranges;
