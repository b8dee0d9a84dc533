//! What the fuzzer feeds: every reader of foreign or damaged bytes, each behind one function of bytes
//!
//! A target may refuse its input (and returns whether it took it); it may not panic, hang, allocate without bound or
//! contradict itself. What it reads it also uses. `tests/fuzz/` drives the targets with cargo-fuzz; the test
//! `fuzz_corpus` replays the committed inputs, so that a finding stays fixed on every machine.

mod chat_template;
mod checkpoint;
mod gguf;
mod model;
mod parts;
mod prefix;
mod tokenizer;

pub use chat_template::chat_template;
pub use checkpoint::safetensors;
pub use gguf::gguf;
pub use model::model;
pub use prefix::prefix;
pub use tokenizer::tokenizer;

/// A target's name, which is also its folder in `tests/fuzz/corpus/`, and its function: whether the input was taken.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("safetensors", safetensors),
    ("gguf", gguf),
    ("tokenizer", tokenizer),
    ("model", model),
    ("chat_template", chat_template),
    ("prefix", prefix),
];
