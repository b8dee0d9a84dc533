//! GGUF files: one file that holds metadata, a tokenizer and tensors
//!
//! The files of llama.cpp and bitnet.cpp, versions 2 and 3, little-endian. [`parse`] reads a file's table of contents
//! and nothing beyond it; [`open`] makes a model of it. Architectures: `bitnet`, `bitnet-25`, `bitnet-b1.58`, `llama`,
//! and `qwen3` of BitNet Embedding. A key, tensor or type that this importer does not know is refused by name, as it
//! may change what the model computes.
//!
//! The reader is our own: crates for this format know the type ids of llama.cpp and fail on those that ternary files
//! use (`I2_S` has an id that llama.cpp gave away twice), or trust the counts of the file when they allocate. Source of
//! the layout: the format's description in ggml (`docs/gguf.md`); of the block types: the sources that the files of
//! this folder name.

mod blocks;
mod config;
mod contents;
mod fields;
mod i2s_order;
mod model;
mod names;
mod reader;
mod tensor_type;
mod ternary;
mod tokenizer;
mod value;

pub use contents::{Contents, TensorEntry, parse};
pub use fields::Fields;
pub use i2s_order::I2sOrder;
pub use model::{FileBytes, Gguf, open};
pub use names::tensor_stem;
pub use value::{List, Value};
