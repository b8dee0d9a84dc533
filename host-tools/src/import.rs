//! Foreign formats, read once at pack time; the device only ever sees ours

pub mod byte_alphabet;
pub mod chat_template;
pub mod checkpoint;
pub mod foreign_model;
pub mod gguf;
pub mod hf_checkpoint;
pub mod hf_config;
mod json_fields;
mod master;
mod packed;
pub mod sentencepiece;
mod stored_floats;
pub mod tiktoken;
pub mod tokenizer_config;
pub mod tokenizer_file;
pub mod tokenizer_json;
pub mod tokenizer_section;
mod wrong_file;
