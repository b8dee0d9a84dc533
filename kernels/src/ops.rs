//! Operations without fused arithmetic, written once and compiled for each backend.
//!
//! Each is `#[inline(always)]`, so that a backend's `#[target_feature]` function vectorises it with what the CPU has.
//! Bits cannot depend on that: every operation is a single IEEE rounding, and Rust neither contracts nor reorders.

pub(crate) mod activation;
pub(crate) mod exp;
pub(crate) mod half;
pub(crate) mod lanes;
pub(crate) mod quantise;
pub(crate) mod softmax;
pub(crate) mod vector;
