//! The characters that byte-level tokenizer files write bytes with
//!
//! Printable Latin-1 stands for itself; the other 68 bytes, space and controls among them, take the characters from
//! U+0100 on, in ascending order. Source: `bytes_to_unicode` of GPT-2's encoder.

/// The character of each byte.
#[must_use]
pub fn characters() -> [char; 256] {
    let mut characters = ['\0'; 256];
    for c in '\0'..='\u{143}' {
        if let Some(byte) = byte(c) {
            characters[usize::from(byte)] = c;
        }
    }
    characters
}

/// The bytes that `text` writes; `None` if a character stands for no byte.
#[must_use]
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte).collect()
}

fn byte(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        // 33 controls and space, 34 controls and no-break space, the soft hyphen.
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, characters};

    #[test]
    fn every_byte_has_its_own_character_and_comes_back() {
        let text: String = characters().iter().collect();
        assert_eq!(bytes(&text), Some((0..=255).collect()));
        assert_eq!(characters()[usize::from(b' ')], 'Ġ');
        assert_eq!(bytes("\u{144}"), None);
        assert_eq!(bytes(" "), None);
    }
}
