//! SentencePiece models: `tokenizer.model`, and pieces from elsewhere (GGUF)
//!
//! A model is a list of pieces with scores; pieces merge where their joint text is a piece, the best score first. Read
//! are BPE models that leave Unicode as it is. What is not in the file (added tokens, which ids stand around a text) is
//! read from `tokenizer_config.json` and `added_tokens.json` beside it.
//!
//! Two conventions give such a file two readings, and [`Convention`] says which one is meant:
//!
//! - **SentencePiece's own**, for a file alone and for a `tokenizer_class` that wraps it (1bitLLM's `BitnetTokenizer`): a
//!   space before every stretch of text between special tokens (`legacy: false`: before the first alone), and the
//!   divisions of a piece merge leftmost. With special tokens read as text the ids are SentencePiece's; recognised, they
//!   are those of the slow tokenizers of transformers and of the `tokenizer.json` that it converts such a file to in
//!   version 4. (Its version 5 reads a file that no class claims without the space in front, other than any model was
//!   trained.) Training gives every piece that merges a score of its own. Where pieces share one all the same, ours go
//!   in the order of their ids; SentencePiece takes the leftmost in the text.
//! - **transformers 5**, for the `tokenizer_class` `LlamaTokenizer`: no space before text that has one, and merges
//!   ranked by id, shorter left parts first.
//!
//! In both, unless `add_bos_token` and `add_eos_token` say otherwise, the token that begins a sequence stands before a
//! text and none behind it. It is the one that `bos_token` names, or else the model's own.
//!
//! Pieces from GGUF are SentencePiece's own.

mod model_file;
mod options;
mod pieces;
pub(super) mod words;

pub use model_file::read;
pub use options::TokenizerOptions;
pub use pieces::{Convention, ExtraToken, PieceType, Pieces};
