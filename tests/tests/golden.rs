//! Golden cases: what Hugging Face transformers computes, computed here from the same checkpoints
//!
//! Each case of `tests/golden/` is packed by the packer of the command and run by the runtime. The reference ran in
//! f32, as the strict rules here do; the lenient ones are for forms that lose precision on purpose. `cargo test -p
//! ternlet-tests --test golden -- --nocapture --test-threads 1` shows the errors reached.

#[path = "golden/case.rs"]
mod case;
#[path = "golden/embedding.rs"]
mod embedding;
#[path = "golden/error.rs"]
mod error;
#[path = "golden/int8_head.rs"]
mod int8_head;
#[path = "golden/lenient.rs"]
mod lenient;
#[path = "golden/same_bits.rs"]
mod same_bits;
#[path = "golden/same_file.rs"]
mod same_file;
#[path = "golden/strict.rs"]
mod strict;
#[path = "golden/trace.rs"]
mod trace;
