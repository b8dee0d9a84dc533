//! From a linked ELF file to the flat image that loaders take
//!
//! The loadable segments are copied to their addresses relative to the lowest one; gaps are zero;
//! what has no bytes in the file (`.bss`, stacks, tables) is left to start.s. Only little-endian
//! 64-bit ELF files are read.
//!
//! Source: System V ABI, ELF-64 object file format, sections "ELF header" and "program header".

use core::fmt;
use std::vec::Vec;

/// Program header type of a loadable segment.
const PT_LOAD: u32 = 1;
/// The largest image that makes sense; a corrupt header must not ask for more memory.
const MAX_IMAGE_BYTES: usize = 64 << 20;

/// Byte offsets in the ELF header and in a program header.
mod field {
    pub(super) const PROGRAM_HEADERS: usize = 0x20;
    pub(super) const PROGRAM_HEADER_BYTES: usize = 0x36;
    pub(super) const N_PROGRAM_HEADERS: usize = 0x38;
    pub(super) const P_OFFSET: usize = 0x08;
    pub(super) const P_PHYSICAL: usize = 0x18;
    pub(super) const P_FILE_BYTES: usize = 0x20;
}

/// Why an ELF file cannot be flattened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfError {
    /// Not a little-endian 64-bit ELF file.
    NotElf64,
    /// A header or a segment reaches beyond the file, or beyond any sensible image.
    OutOfBounds {
        /// Offset in the file (or in the image), in bytes.
        offset: u64,
        /// Length in bytes.
        length: u64,
    },
    /// No segment has bytes.
    Empty,
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf64 => f.write_str("expected a little-endian 64-bit ELF file, found something else"),
            Self::OutOfBounds { offset, length } => {
                write!(f, "expected {length} bytes at offset {offset} of the ELF file, found fewer")
            }
            Self::Empty => f.write_str("expected a loadable segment, found none"),
        }
    }
}

impl core::error::Error for ElfError {}

/// The flat image of an ELF file.
///
/// # Errors
/// See [`ElfError`].
pub fn flatten(elf: &[u8]) -> Result<Vec<u8>, ElfError> {
    // Magic, 64-bit class, little-endian data.
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return Err(ElfError::NotElf64);
    }
    let table = read_u64(elf, field::PROGRAM_HEADERS)?;
    let entry_bytes = u64::from(read_u16(elf, field::PROGRAM_HEADER_BYTES)?);
    let mut segments = Vec::new();
    for i in 0..u64::from(read_u16(elf, field::N_PROGRAM_HEADERS)?) {
        let header = slice(elf, table.saturating_add(i * entry_bytes), 56)?;
        let file_bytes = read_u64(header, field::P_FILE_BYTES)?;
        let is_loadable = header.starts_with(&PT_LOAD.to_le_bytes());
        if is_loadable && file_bytes > 0 {
            let bytes = slice(elf, read_u64(header, field::P_OFFSET)?, file_bytes)?;
            segments.push((read_u64(header, field::P_PHYSICAL)?, bytes));
        }
    }
    let base = segments.iter().map(|(address, _)| *address).min().ok_or(ElfError::Empty)?;
    let mut image = Vec::new();
    for (address, bytes) in segments {
        let too_far = ElfError::OutOfBounds { offset: address, length: bytes.len() as u64 };
        let start = usize::try_from(address - base).map_err(|_| too_far)?;
        let end = start.checked_add(bytes.len()).filter(|&end| end <= MAX_IMAGE_BYTES).ok_or(too_far)?;
        if image.len() < end {
            image.resize(end, 0);
        }
        image[start..end].copy_from_slice(bytes);
    }
    Ok(image)
}

fn slice(bytes: &[u8], offset: u64, length: u64) -> Result<&[u8], ElfError> {
    let inside = || {
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    };
    inside().ok_or(ElfError::OutOfBounds { offset, length })
}

fn read_u64(bytes: &[u8], offset: usize) -> Result<u64, ElfError> {
    let found = bytes.get(offset..).and_then(|tail| tail.first_chunk());
    found
        .map(|chunk| u64::from_le_bytes(*chunk))
        .ok_or(ElfError::OutOfBounds { offset: offset as u64, length: 8 })
}

fn read_u16(bytes: &[u8], offset: usize) -> Result<u16, ElfError> {
    let found = bytes.get(offset..).and_then(|tail| tail.first_chunk());
    found
        .map(|chunk| u16::from_le_bytes(*chunk))
        .ok_or(ElfError::OutOfBounds { offset: offset as u64, length: 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of two segments: "head" at 0x1000 and "tail" at 0x1010.
    fn sample() -> Vec<u8> {
        let mut elf = std::vec![0; 0xb8];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[field::PROGRAM_HEADERS] = 0x40;
        elf[field::PROGRAM_HEADER_BYTES] = 56;
        elf[field::N_PROGRAM_HEADERS] = 2;
        for (i, (offset, address)) in [(0xb0_u8, 0x1000_u64), (0xb4, 0x1010)].into_iter().enumerate() {
            let header = &mut elf[0x40 + i * 56..][..56];
            header[0] = 1;
            header[field::P_OFFSET] = offset;
            header[field::P_PHYSICAL..][..8].copy_from_slice(&address.to_le_bytes());
            header[field::P_FILE_BYTES] = 4;
        }
        elf[0xb0..].copy_from_slice(b"headtail");
        elf
    }

    #[test]
    fn segments_land_at_their_distance_with_zeros_between() {
        let image = flatten(&sample()).expect("a well-formed file");
        assert_eq!(image, b"head\0\0\0\0\0\0\0\0\0\0\0\0tail");
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_and_never_a_panic() {
        let elf = sample();
        for length in 0..elf.len() {
            assert!(flatten(&elf[..length]).is_err(), "accepted {length} bytes");
        }
    }

    #[test]
    fn damage_never_panics_or_asks_for_absurd_memory() {
        let elf = sample();
        for at in 0..elf.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = elf.clone();
                damaged[at] ^= flip;
                if let Ok(image) = flatten(&damaged) {
                    assert!(image.len() <= MAX_IMAGE_BYTES);
                }
            }
        }
    }
}
