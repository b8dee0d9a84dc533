//! From a path to a TOKENIZER section, whichever kind of file it is

use std::fs;
use std::path::Path;

use super::{tiktoken, tokenizer_json};
use crate::error::Error;

/// Files that a checkpoint's directory may hold its tokenizer in, in order of preference.
const NAMES: [&str; 2] = ["tokenizer.json", "tokenizer.model"];

/// Reads a `tokenizer.json` or a rank file, whichever its contents are, and lays out the section.
///
/// # Errors
/// A file that cannot be read, or is of a kind that is not supported.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(path).map_err(|e| Error::new(path.display(), e))?;
    section(&bytes).map_err(|problem| Error::new(path.display(), problem))
}

/// Reads the tokenizer beside a checkpoint; `None` if there is no file that could be one.
///
/// # Errors
/// As [`read_file`].
pub fn read_directory(directory: &Path) -> Result<Option<Vec<u8>>, Error> {
    let files = NAMES.iter().map(|name| directory.join(name));
    files.filter(|path| path.exists()).map(|path| read_file(&path)).next().transpose()
}

/// The section that the bytes of a file describe.
///
/// # Errors
/// What was expected and found, for people.
pub fn section(file: &[u8]) -> Result<Vec<u8>, String> {
    if file.trim_ascii_start().starts_with(b"{") {
        return tokenizer_json::read(file)?.section();
    }
    // Rank files are ASCII; the protocol buffers of SentencePiece, also called tokenizer.model, hold zero bytes.
    match str::from_utf8(file) {
        Ok(text) if text.is_ascii() && !file.contains(&0) => {
            let vocabulary = tiktoken::read(text);
            vocabulary.map_err(|e| format!("no tokenizer.json, and as a rank file: {e}"))?.section()
        }
        _ => {
            Err("expected a tokenizer.json or a rank file, found neither (SentencePiece is not supported)"
                .into())
        }
    }
}
