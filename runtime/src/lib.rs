//! Runtime for ternary language models in one fixed arena.
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod arena;

mod parallel;

pub use arena::{ARENA_ALIGN, Arena, ArenaError, Plain, align_up, cast_slice, cast_slice_mut};
pub use parallel::{Body, ColumnRange, Parallel, Rows, RowsMut, Serial, for_column_ranges, for_each_row};
