//! What cannot be timed without a board is counted: instructions under emulation
//!
//! Nothing here says how long anything takes.

mod execution;
mod kernels;
mod record;

pub use execution::{Block, Execution};
pub use kernels::{CPUS, Cpu, KernelCount, compiler, count_kernels};
pub use record::{Record, Row};
