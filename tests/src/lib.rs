//! Support code of the cross-crate tests.

#[cfg(feature = "system")]
mod virtual_board;

#[cfg(feature = "system")]
pub use virtual_board::{VirtualBoard, image};
