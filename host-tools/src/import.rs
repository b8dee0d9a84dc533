//! Foreign formats, read once at pack time; the device only ever sees ours

pub mod byte_alphabet;
pub mod chat_template;
pub mod tiktoken;
pub mod tokenizer_config;
pub mod tokenizer_file;
pub mod tokenizer_json;
pub mod tokenizer_section;
