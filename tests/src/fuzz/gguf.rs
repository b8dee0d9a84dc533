//! Target: GGUF files
//!
//! An input is a whole file: weights, tokenizer and chat template.

use std::fs;

use super::checkpoint::{in_folder, pack_and_read};

/// Opens a GGUF, packs it, reads what was packed.
///
/// # Panics
/// A panic is a finding.
pub fn gguf(data: &[u8]) -> bool {
    in_folder(|folder| {
        let path = folder.join("model.gguf");
        fs::write(&path, data).expect("room for a file");
        pack_and_read(&path, &folder.join("model.tern"))
    })
}
