//! Packed weight layouts: one file each, with the bit diagram, `pack` and `unpack`.
//!
//! A layout is a fact about bytes. It never depends on the machine that packs or runs.

pub mod i2;
pub mod i8_split;
