//! Devices, by their register maps alone
//!
//! Where a device lives is the business of `bsp`; drivers get [`Registers`] and know offsets.

#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
mod console;
mod pl011;
mod port;
mod registers;
mod serial;

#[cfg(all(target_os = "none", target_arch = "aarch64", feature = "bare-metal"))]
pub(crate) use console::{Printer, console, install, say};
pub use pl011::Pl011;
pub use port::Port;
pub use registers::Registers;
pub use serial::{SerialPort, Uart};
