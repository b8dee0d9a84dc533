//! The tokenizer against Hugging Face's: golden cases, random texts, damaged tables

#[path = "tokenizer/damage.rs"]
mod damage;
#[path = "tokenizer/golden.rs"]
mod golden;
#[path = "tokenizer/import.rs"]
mod import;
#[path = "tokenizer/kinds.rs"]
mod kinds;
#[path = "tokenizer/oracle.rs"]
mod oracle;
#[path = "tokenizer/rejections.rs"]
mod rejections;
#[path = "tokenizer/sentencepiece.rs"]
mod sentencepiece;
#[path = "tokenizer/support.rs"]
mod support;
#[path = "tokenizer/work.rs"]
mod work;
