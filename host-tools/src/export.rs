//! Model files of other programs, written so that both run the same weights

mod blocks;
pub mod gguf;
