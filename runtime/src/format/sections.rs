//! The section table: where each part of the file lies
//!
//! Sections come in ascending id, each at the next aligned offset after the one before, with zeros in between: there is
//! exactly one place where a section of a given length may lie, so holes, overlaps and hidden bytes cannot be written.

use super::error::LoadError;
use super::field::{first_non_zero, put, u32_at, u64_at};
use super::header::{HEADER_BYTES, Header};
use super::{ALIGN, CHUNK_BYTES, TENSORS_ALIGN, align_up, n_chunks};
use crate::checksum::checksum;

/// Size of one section table entry in bytes.
pub const SECTION_ENTRY_BYTES: usize = 32;
/// The most sections a file may have: one of each id.
pub const MAX_SECTIONS: u32 = 8;

/// What a section holds. Ids ascend in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum SectionId {
    /// The config record. Required.
    Config = 1,
    /// The tokenizer's tables.
    Tokenizer = 2,
    /// The compiled chat template.
    ChatTemplate = 3,
    /// A few ids and the hash of their logits.
    SelfTest = 4,
    /// The tensor directory. Required.
    Directory = 5,
    /// One checksum per chunk of TENSORS. Required.
    ChunkChecksums = 6,
    /// The payload. Required, page-aligned.
    Tensors = 7,
    /// A system message with its keys and values.
    System = 8,
}

impl SectionId {
    /// The section's name in FORMAT.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "CONFIG",
            Self::Tokenizer => "TOKENIZER",
            Self::ChatTemplate => "CHAT_TEMPLATE",
            Self::SelfTest => "SELF_TEST",
            Self::Directory => "DIRECTORY",
            Self::ChunkChecksums => "CHUNK_CHECKSUMS",
            Self::Tensors => "TENSORS",
            Self::System => "SYSTEM",
        }
    }

    /// Alignment of the section's offset in the file.
    #[must_use]
    pub const fn align(self) -> usize {
        match self {
            Self::Tensors => TENSORS_ALIGN,
            _ => ALIGN,
        }
    }

    /// Whether the section's bytes have checksums of their own, so that parsing need not read them all.
    #[must_use]
    pub const fn has_own_checksums(self) -> bool {
        matches!(self, Self::Tensors | Self::System)
    }

    const fn from_code(code: u32) -> Result<Self, LoadError> {
        match code {
            1 => Ok(Self::Config),
            2 => Ok(Self::Tokenizer),
            3 => Ok(Self::ChatTemplate),
            4 => Ok(Self::SelfTest),
            5 => Ok(Self::Directory),
            6 => Ok(Self::ChunkChecksums),
            7 => Ok(Self::Tensors),
            8 => Ok(Self::System),
            _ => Err(LoadError::UnknownSection { found: code }),
        }
    }
}

/// One row of the section table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionEntry {
    /// What the section holds.
    pub id: SectionId,
    /// From the start of the file, in bytes.
    pub offset: u64,
    /// In bytes, without padding.
    pub length: u64,
    /// XXH64 of the section; 0 for TENSORS, which CHUNK_CHECKSUMS covers, and for SYSTEM, which covers itself.
    pub checksum: u64,
}

impl SectionEntry {
    /// The entry's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SECTION_ENTRY_BYTES] {
        let mut record = [0; SECTION_ENTRY_BYTES];
        put(&mut record, 0, &(self.id as u32).to_le_bytes());
        put(&mut record, 8, &self.offset.to_le_bytes());
        put(&mut record, 16, &self.length.to_le_bytes());
        put(&mut record, 24, &self.checksum.to_le_bytes());
        record
    }

    /// Reads the entry at table position `index`.
    fn decode(record: &[u8], index: usize) -> Result<Self, LoadError> {
        let id = SectionId::from_code(u32_at(record, 0))?;
        if u32_at(record, 4) != 0 {
            let offset = HEADER_BYTES + index * SECTION_ENTRY_BYTES + 4;
            return Err(LoadError::ReservedNotZero { offset: offset as u64 });
        }
        Ok(Self { id, offset: u64_at(record, 8), length: u64_at(record, 16), checksum: u64_at(record, 24) })
    }
}

/// Where the section table ends: the header and `n_sections` entries.
#[must_use]
pub const fn section_table_end(n_sections: u32) -> usize {
    HEADER_BYTES + n_sections as usize * SECTION_ENTRY_BYTES
}

/// The sections of a file whose table, gaps and checksums were checked (TENSORS and SYSTEM: bounds only).
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// The config record.
    pub config: &'a [u8],
    /// The tokenizer's tables, if present.
    pub tokenizer: Option<&'a [u8]>,
    /// The compiled chat template, if present.
    pub chat_template: Option<&'a [u8]>,
    /// The self-test, if present.
    pub self_test: Option<&'a [u8]>,
    /// The tensor directory.
    pub directory: &'a [u8],
    /// One u64 per chunk of `tensors`.
    pub chunk_checksums: &'a [u8],
    /// The payload, unread.
    pub tensors: &'a [u8],
    /// The system message and its keys and values, if present; unread.
    pub system: Option<&'a [u8]>,
}

impl<'a> Sections<'a> {
    /// Walks the section table of `file` in one pass.
    ///
    /// # Errors
    /// Rejections R8 and R10 to R18 of FORMAT.md.
    pub fn decode(file: &'a [u8], header: &Header) -> Result<Self, LoadError> {
        let mut found: [Option<&'a [u8]>; MAX_SECTIONS as usize] = [None; MAX_SECTIONS as usize];
        let table_end = section_table_end(header.n_sections);
        let mut end = table_end as u64;
        let mut last_id = 0;
        for (index, record) in file[HEADER_BYTES..table_end].chunks_exact(SECTION_ENTRY_BYTES).enumerate() {
            let entry = SectionEntry::decode(record, index)?;
            let id = entry.id as u32;
            if id <= last_id {
                return Err(LoadError::SectionOrder { previous: last_id, found: id });
            }
            last_id = id;
            found[id as usize - 1] = Some(section(file, &entry, end)?);
            end = entry.offset + entry.length;
        }
        if end != header.total_len {
            return Err(LoadError::TrailingBytes { expected: end, found: header.total_len });
        }
        let required = |id: SectionId| found[id as usize - 1].ok_or(LoadError::MissingSection { id });
        let sections = Self {
            config: required(SectionId::Config)?,
            tokenizer: found[SectionId::Tokenizer as usize - 1],
            chat_template: found[SectionId::ChatTemplate as usize - 1],
            self_test: found[SectionId::SelfTest as usize - 1],
            directory: required(SectionId::Directory)?,
            chunk_checksums: required(SectionId::ChunkChecksums)?,
            tensors: required(SectionId::Tensors)?,
            system: found[SectionId::System as usize - 1],
        };
        let expected = n_chunks(sections.tensors.len() as u64) * 8;
        if sections.chunk_checksums.len() as u64 != expected {
            return Err(LoadError::SectionLength {
                id: SectionId::ChunkChecksums,
                expected,
                found: sections.chunk_checksums.len() as u64,
            });
        }
        Ok(sections)
    }

    /// Compares chunk `index` of TENSORS with its checksum.
    ///
    /// # Errors
    /// Rejection R36 of FORMAT.md.
    ///
    /// # Panics
    /// If there is no such chunk.
    pub fn verify_chunk(&self, index: usize) -> Result<(), LoadError> {
        let expected = u64_at(self.chunk_checksums, index * 8);
        let start = index * CHUNK_BYTES;
        let end = (start + CHUNK_BYTES).min(self.tensors.len());
        let found = checksum(&self.tensors[start..end]);
        if found == expected {
            return Ok(());
        }
        Err(LoadError::ChunkChecksum { index: index as u64, expected, found })
    }
}

/// The bytes of `entry`, which must start at the first aligned offset after `previous_end`.
fn section<'a>(file: &'a [u8], entry: &SectionEntry, previous_end: u64) -> Result<&'a [u8], LoadError> {
    let id = entry.id;
    let out_of_bounds = LoadError::SectionOutOfBounds { id, offset: entry.offset, length: entry.length };
    let expected = align_up(previous_end, id.align()).ok_or(out_of_bounds)?;
    if entry.offset != expected {
        return Err(LoadError::SectionPlacement { id, expected, found: entry.offset });
    }
    let end = entry.offset.checked_add(entry.length).ok_or(out_of_bounds)?;
    let within = |from: u64, to: u64| file.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?);
    let bytes = within(entry.offset, end).ok_or(out_of_bounds)?;
    let gap = within(previous_end, entry.offset).ok_or(out_of_bounds)?;
    if let Some(index) = first_non_zero(gap) {
        return Err(LoadError::GapNotZero { offset: previous_end + index as u64 });
    }
    let sum = if id.has_own_checksums() { 0 } else { checksum(bytes) };
    if sum != entry.checksum {
        return Err(LoadError::SectionChecksum { id, expected: entry.checksum, found: sum });
    }
    Ok(bytes)
}
