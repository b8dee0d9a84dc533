//! What cannot be timed without a board is counted: instructions under emulation
//!
//! Nothing here says how long anything takes.

mod cycles;
mod execution;
mod kernels;
mod record;

pub use cycles::{Mca, Prediction, predict};
pub use execution::{Block, Execution};
pub use kernels::{CPUS, Cpu, KernelCount, compiler, count_kernels, program};
pub use record::{Record, Row};
