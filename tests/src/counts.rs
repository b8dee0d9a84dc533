//! What cannot be timed without a board is counted: instructions under emulation
//!
//! Nothing here says how long anything takes.

mod bytes;
mod cycles;
mod execution;
mod kernels;
pub mod pi5;
mod record;

pub use bytes::{TokenBytes, Zeros, token_bytes};
pub use cycles::{Mca, Prediction, predict};
pub use execution::{Block, Execution};
pub use kernels::{CPUS, Cpu, KernelCount, compiler, count_kernels, program};
pub use record::{BytesRow, Record, Row};
