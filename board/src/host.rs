//! On the host: building the bare-metal image and booting it in QEMU
//!
//! Shared by the command `cargo qemu` and the system tests, so that both boot the same way.

mod build;
mod elf;
mod machine;

pub use build::{BuildError, build_image};
pub use elf::{ElfError, flatten};
pub use machine::{EntryLevel, Machine, shipped_model};
