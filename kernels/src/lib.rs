#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod backend;
mod dispatch;
mod features;
pub mod layout;
// Vector registers hold elements in memory order only on a little-endian core.
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod ops;
mod scalar;
mod shape;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use backend::Backend;
pub use dispatch::Kernels;
pub use features::CpuFeatures;
pub use ops::exp::exp;
