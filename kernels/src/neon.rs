//! `AArch64` backends: baseline Advanced SIMD, `SDOT` on top of it, and `SMMLA` on top of that.
//!
//! Bare-metal `AArch64` targets build with strict alignment, where a vector load that may be unaligned becomes sixteen
//! byte loads. So memory is read through `load.rs`: one instruction from types that carry their alignment, and from
//! the others the widest loads their element allows.

pub(crate) mod baseline;
mod columns;
mod decode;
pub(crate) mod dotprod;
mod elementwise;
mod gemm_float;
mod gemm_rows;
mod gemv_float;
mod gemv_i16_i8;
mod gemv_i8_i2;
mod gevm;
mod half;
pub(crate) mod i8mm;
mod load;
mod reduce;
mod rows;
mod split_head;
mod sum;
mod ternary_rows;
mod tl2;
