//! From a path to a TOKENIZER section, whichever kind of file it is

use std::fs;
use std::path::Path;

use super::sentencepiece::{self, TokenizerOptions};
use super::{tiktoken, tokenizer_json, wrong_file};
use crate::error::Error;

/// Files that a checkpoint's directory may hold its tokenizer in, in order of preference.
const NAMES: [&str; 2] = ["tokenizer.json", "tokenizer.model"];

/// Reads a `tokenizer.json`, a rank file or a SentencePiece model, whichever its contents are, and lays out the section.
/// What a SentencePiece model leaves open is read from the files beside it.
///
/// # Errors
/// A file that cannot be read, or is of a kind that is not supported.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(path).map_err(|e| Error::unreadable(path.display(), &e))?;
    let options = match is_sentencepiece(&bytes) {
        true => TokenizerOptions::read_directory(path.parent().unwrap_or_else(|| Path::new(".")))?,
        false => TokenizerOptions::default(),
    };
    section_with(&bytes, &options).map_err(|problem| {
        wrong_file::refusal(path, "a tokenizer", &bytes)
            .unwrap_or_else(|| Error::new(path.display(), problem))
    })
}

/// Reads the tokenizer beside a checkpoint; `None` if there is no file that could be one.
///
/// # Errors
/// As [`read_file`].
pub fn read_directory(directory: &Path) -> Result<Option<Vec<u8>>, Error> {
    let files = NAMES.iter().map(|name| directory.join(name));
    files.filter(|path| path.exists()).map(|path| read_file(&path)).next().transpose()
}

/// The section that the contents of a file describe, read as it is without files beside it.
///
/// # Errors
/// What was expected and found, for people.
pub fn section(file: &[u8]) -> Result<Vec<u8>, String> {
    section_with(file, &TokenizerOptions::default())
}

fn section_with(file: &[u8], options: &TokenizerOptions) -> Result<Vec<u8>, String> {
    if file.trim_ascii_start().starts_with(b"{") {
        return tokenizer_json::read(file)?.section();
    }
    if is_sentencepiece(file) {
        return sentencepiece::read(file, options)
            .map_err(|e| format!("no tokenizer.json, no rank file, and as a SentencePiece model: {e}"))?
            .section();
    }
    let text = str::from_utf8(file).unwrap_or_default();
    tiktoken::read(text).map_err(|e| format!("no tokenizer.json, and as a rank file: {e}"))?.section()
}

/// Whether `file` can only be a SentencePiece model: rank files and JSON are text, and those protocol buffers hold zero
/// bytes.
fn is_sentencepiece(file: &[u8]) -> bool {
    !file.trim_ascii_start().starts_with(b"{") && (!file.is_ascii() || file.contains(&0))
}
