//! Text to token ids and back, over tables that lie in the model file
//!
//! The life of a prompt: `added` cuts out tokens that are recognised in raw text (`<|eot_id|>`), [`nfc`] normalises the
//! rest if the vocabulary asks for it, [`split`] (or [`sentencepiece`]) cuts it into words, `bpe` merges the bytes or
//! characters of each word into token ids. The life of an answer: ids to bytes through the token table, bytes to text
//! through [`StreamDecoder`], which never lets half a character out.
//!
//! Ids and text equal those of the `tokenizers` crate. All tables are used in place ([`layout`] defines them), nothing
//! allocates, and merging works in a scratch buffer that the caller sizes with [`Tokenizer::scratch_bytes`].

mod added;
mod bpe;
mod decode;
mod encode;
mod error;
pub mod layout;
pub mod nfc;
pub mod sentencepiece;
pub mod split;
mod tables;
pub mod unicode;
mod vocabulary;
pub mod words;

pub use decode::StreamDecoder;
pub use encode::{SinkFull, Specials};
pub use error::{EncodeError, TokenizerError};
pub use sentencepiece::Before;
pub use vocabulary::Tokenizer;
