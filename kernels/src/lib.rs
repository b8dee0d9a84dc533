//! Exact ternary and int8 kernels.
#![no_std]
