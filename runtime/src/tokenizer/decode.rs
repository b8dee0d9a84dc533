//! Token ids to text as they come, never half a character
//!
//! A character may be spread over several tokens. The decoder holds back the up to three bytes of a character that has
//! begun but not ended, and gives out the rest. What cannot become UTF-8 turns into U+FFFD:
//!
//! - Byte-level: one for each maximal broken part, so that all output together is what [`String::from_utf8_lossy`] makes
//!   of all bytes together (Unicode 16.0, section 3.9, "substitution of maximal subparts").
//! - SentencePiece: one for each byte of a broken part. The `tokenizers` crate replaces every byte of a run of byte
//!   tokens of which any part is broken, also characters that are whole; [`Tokenizer::decode`], which sees the run's end,
//!   does the same. A stream has shown them by then: it differs from the crate there and only there.
//!
//! What a SentencePiece decoder leaves out at the start of a text ([`Leading`]) a stream leaves out at its start.
//!
//! [`String::from_utf8_lossy`]: https://doc.rust-lang.org/std/string/struct.String.html#method.from_utf8_lossy

#[cfg(test)]
mod tests;

use core::str;

use super::sentencepiece::Leading;
use super::vocabulary::Tokenizer;

/// Turns a stream of token ids into a stream of text.
#[derive(Debug, Clone)]
pub struct StreamDecoder<'t> {
    tokenizer: &'t Tokenizer<'t>,
    /// The first `len` bytes begin a character that more bytes can complete.
    pending: [u8; 4],
    len: usize,
    /// Whether there was text, or for [`Leading::SpacesOfFirstToken`] a token.
    has_begun: bool,
}

impl<'t> StreamDecoder<'t> {
    /// A decoder at the start of a text, which holds nothing back.
    #[must_use]
    pub const fn new(tokenizer: &'t Tokenizer<'t>) -> Self {
        Self { tokenizer, pending: [0; 4], len: 0, has_begun: false }
    }

    /// Takes a token and gives `out` the text that is complete, in one or more pieces, or none. An id outside the
    /// vocabulary is passed over.
    pub fn push(&mut self, id: u32, out: &mut dyn FnMut(&str)) {
        let bytes = self.tokenizer.token_bytes(id).unwrap_or_default();
        if bytes.is_empty() || !self.tokenizer.has_byte_fallback() {
            self.push_bytes(bytes, out);
        } else if let Some(byte) = self.tokenizer.fallback_byte(id) {
            self.has_begun |= self.leading() == Leading::SpacesOfFirstToken;
            self.push_bytes(&[byte], out);
        } else {
            self.finish(out);
            if !self.has_begun && self.leading() == Leading::SpacesOfFirstToken {
                self.has_begun = true;
                bytes.split(|byte| *byte == b' ').for_each(|part| self.push_bytes(part, out));
            } else {
                self.push_bytes(bytes, out);
            }
        }
    }

    /// Ends the stream: a character that was begun and not completed is broken.
    pub fn finish(&mut self, out: &mut dyn FnMut(&str)) {
        let n_bytes = core::mem::take(&mut self.len);
        if n_bytes > 0 {
            self.replace(n_bytes, out);
        }
    }

    /// Gives out U+FFFD for a broken part of `n_bytes`.
    pub(super) fn replace(&mut self, n_bytes: usize, out: &mut dyn FnMut(&str)) {
        let n = if self.tokenizer.has_byte_fallback() { n_bytes } else { 1 };
        (0..n).for_each(|_| self.show("\u{fffd}", out));
    }

    fn push_bytes(&mut self, bytes: &[u8], out: &mut dyn FnMut(&str)) {
        let mut rest = bytes;
        while self.len > 0
            && let Some((&byte, after)) = rest.split_first()
        {
            self.extend_pending(byte, out);
            rest = after;
        }
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.show(chunk.valid(), out);
            let broken = chunk.invalid();
            if chunks.peek().is_none() && is_incomplete(broken) {
                self.pending[..broken.len()].copy_from_slice(broken);
                self.len = broken.len();
            } else if !broken.is_empty() {
                self.replace(broken.len(), out);
            }
        }
    }

    /// Adds one byte to the character that was begun.
    fn extend_pending(&mut self, byte: u8, out: &mut dyn FnMut(&str)) {
        // Three bytes at most wait: with the fourth, a character is complete or broken.
        let mut pending = self.pending;
        pending[self.len] = byte;
        let begun = &pending[..=self.len];
        if let Ok(text) = str::from_utf8(begun) {
            self.len = 0;
            self.show(text, out);
        } else if is_incomplete(begun) {
            self.pending = pending;
            self.len += 1;
        } else {
            // The bytes before could still have become a character, so they are one maximal broken part and the byte
            // starts afresh.
            self.finish(out);
            self.push_bytes(&[byte], out);
        }
    }

    /// Gives out text, without the space at the start that decoding leaves out.
    fn show(&mut self, text: &str, out: &mut dyn FnMut(&str)) {
        if text.is_empty() {
            return;
        }
        let is_first = !core::mem::replace(&mut self.has_begun, true);
        let text = match is_first && self.leading() == Leading::OneSpace {
            true => text.strip_prefix(' ').unwrap_or(text),
            false => text,
        };
        if !text.is_empty() {
            out(text);
        }
    }

    fn leading(&self) -> Leading {
        self.tokenizer.leading()
    }
}

/// Whether `bytes` are whole characters.
pub(super) fn is_utf8(bytes: impl Iterator<Item = u8>) -> bool {
    let (mut begun, mut len) = ([0; 4], 0);
    for byte in bytes {
        begun[len] = byte;
        len += 1;
        if str::from_utf8(&begun[..len]).is_ok() {
            len = 0;
        } else if !is_incomplete(&begun[..len]) {
            return false;
        }
    }
    len == 0
}

/// Whether `bytes`, which are not valid UTF-8, are the beginning of one character.
fn is_incomplete(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}
