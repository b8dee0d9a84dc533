//! GGUF files: every type to the bit, every architecture's names, and files that no tool wrote
//!
//! Most files are written here, by a writer of a page ([`writer`]); what their bytes must mean comes from others: the
//! vectors of `tests/golden/gguf/` were made with the `gguf` package, and one whole file there is run and compared
//! with transformers.

#[path = "gguf/blocks.rs"]
mod blocks;
#[path = "gguf/damage.rs"]
mod damage;
#[path = "gguf/golden.rs"]
mod golden;
#[path = "gguf/i2s_order.rs"]
mod i2s_order;
#[path = "gguf/model.rs"]
mod model;
#[path = "gguf/refusals.rs"]
mod refusals;
#[path = "gguf/same_model.rs"]
mod same_model;
#[path = "gguf/ternary.rs"]
mod ternary;
#[path = "gguf/tokenizer.rs"]
mod tokenizer;
#[path = "gguf/writer.rs"]
mod writer;
