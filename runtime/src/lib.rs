//! Runtime for ternary language models in one fixed arena.
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod arena;

pub use arena::{ARENA_ALIGN, Arena, ArenaError, Plain, align_up, cast_slice, cast_slice_mut};
