//! Bytes to text as they come, never half a character
//!
//! A character may be spread over several tokens. The decoder holds back the up to three bytes of a character that has
//! begun but not ended, and gives out the rest. What cannot become UTF-8 turns into U+FFFD, one for each maximal broken
//! part, so that all output together is what [`String::from_utf8_lossy`] makes of all bytes together
//! (Unicode 16.0, section 3.9, "substitution of maximal subparts").
//!
//! [`String::from_utf8_lossy`]: https://doc.rust-lang.org/std/string/struct.String.html#method.from_utf8_lossy

use core::str;

/// Turns a stream of bytes into a stream of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamDecoder {
    /// The first `len` bytes begin a character that more bytes can complete.
    pending: [u8; 4],
    len: usize,
}

impl StreamDecoder {
    /// A decoder that holds nothing back.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: [0; 4], len: 0 }
    }

    /// Takes the bytes of a token and gives `out` the text that is complete, in one or more pieces, or none.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(&str)) {
        let mut rest = bytes;
        while self.len > 0
            && let Some((&byte, after)) = rest.split_first()
        {
            self.extend_pending(byte, out);
            rest = after;
        }
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            if !chunk.valid().is_empty() {
                out(chunk.valid());
            }
            let broken = chunk.invalid();
            if chunks.peek().is_none() && is_incomplete(broken) {
                self.pending[..broken.len()].copy_from_slice(broken);
                self.len = broken.len();
            } else if !broken.is_empty() {
                out("\u{fffd}");
            }
        }
    }

    /// Ends the stream: a character that was begun and not completed becomes U+FFFD.
    pub fn finish(&mut self, out: &mut dyn FnMut(&str)) {
        if self.len > 0 {
            self.len = 0;
            out("\u{fffd}");
        }
    }

    /// Adds one byte to the character that was begun.
    fn extend_pending(&mut self, byte: u8, out: &mut dyn FnMut(&str)) {
        // Three bytes at most wait: with the fourth, a character is complete or broken.
        self.pending[self.len] = byte;
        let begun = &self.pending[..=self.len];
        if let Ok(text) = str::from_utf8(begun) {
            self.len = 0;
            out(text);
        } else if is_incomplete(begun) {
            self.len += 1;
        } else {
            // The bytes before could still have become a character, so they are one maximal broken part and the byte
            // starts afresh.
            self.len = 0;
            out("\u{fffd}");
            self.push(&[byte], out);
        }
    }
}

/// Whether `bytes`, which are not valid UTF-8, are the beginning of one character.
fn is_incomplete(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::StreamDecoder;
    use std::string::String;

    #[test]
    fn any_division_of_any_bytes_gives_the_lossy_text() {
        // Bytes that start, continue, complete and break characters of every length.
        let alphabet =
            [0x41, 0x80, 0xbf, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0xf4, 0x90, 0xff];
        let mut state = 1u32;
        let mut draw = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        for _ in 0..5000 {
            let bytes: std::vec::Vec<u8> = (0..draw(24)).map(|_| alphabet[draw(16)]).collect();
            let (mut decoder, mut text) = (StreamDecoder::new(), String::new());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (token, after) = rest.split_at(draw(rest.len() + 1));
                decoder.push(token, &mut |piece| text.push_str(piece));
                rest = after;
            }
            decoder.finish(&mut |piece| text.push_str(piece));
            assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
