//! Support code of the cross-crate tests.

#[cfg(feature = "system")]
pub mod counts;
#[cfg(feature = "system")]
pub mod disassembly;
pub mod fuzz;
mod models;
mod npy;
mod sessions;
#[cfg(feature = "system")]
mod small_tree;
#[cfg(feature = "system")]
mod virtual_board;

pub use models::{i8_rows, layout_mixes, packed_synth, shipped_model, variants, with_synth, with_synth_in};
pub use npy::NpyArray;
pub use sessions::{aligned_arena, hash_of, hash_with, logits_of, open_session};
#[cfg(feature = "system")]
pub use small_tree::small_tree;
#[cfg(feature = "system")]
pub use virtual_board::{VirtualBoard, image};
