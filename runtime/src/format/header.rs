//! The first 64 bytes: what the file is and how long it must be
//!
//! The checksum covers the header's other fields and the whole section table, whose entries carry the checksums of
//! their sections; so this one number identifies the entire file ([`Header::checksum`] serves as the file's id).

use super::error::LoadError;
use super::field::{first_non_zero, put, u32_at, u64_at};
use super::sections::{MAX_SECTIONS, section_table_end};
use crate::checksum::Checksum;

/// The first eight bytes of every model file.
pub const MAGIC: [u8; 8] = *b"TERNLET\0";
/// The one version this reader knows.
pub const VERSION: u32 = 1;
/// Size of the header in bytes.
pub const HEADER_BYTES: usize = 64;

/// Required-feature bits this reader implements: version 1 defines none.
const KNOWN_FEATURES: u64 = 0;

mod at {
    pub(super) const VERSION: usize = 8;
    pub(super) const N_SECTIONS: usize = 12;
    pub(super) const TOTAL_LEN: usize = 16;
    pub(super) const REQUIRED_FEATURES: usize = 24;
    pub(super) const OPTIONAL_FEATURES: usize = 32;
    pub(super) const RESERVED: usize = 40;
    pub(super) const CHECKSUM: usize = 56;
}

/// The validated header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number of entries in the section table.
    pub n_sections: u32,
    /// Length of the whole file in bytes.
    pub total_len: u64,
    /// Bits a reader must know to read this file.
    pub required_features: u64,
    /// Bits a reader may ignore.
    pub optional_features: u64,
    /// XXH64 over header bytes 0..56 and the section table; identifies the file.
    pub checksum: u64,
}

impl Header {
    /// Reads and checks the header of `file`, and the checksum over it and the section table.
    ///
    /// # Errors
    /// Rejections R2 to R9 of FORMAT.md.
    pub fn decode(file: &[u8]) -> Result<Self, LoadError> {
        let Some(head) = file.get(..HEADER_BYTES) else {
            return Err(LoadError::Truncated { need: HEADER_BYTES as u64, have: file.len() as u64 });
        };
        if head[..MAGIC.len()] != MAGIC {
            return Err(LoadError::BadMagic { found: u64_at(head, 0) });
        }
        let version = u32_at(head, at::VERSION);
        if version != VERSION {
            return Err(LoadError::UnsupportedVersion { expected: VERSION, found: version });
        }
        let total_len = u64_at(head, at::TOTAL_LEN);
        if total_len != file.len() as u64 {
            return Err(LoadError::WrongLength { need: total_len, have: file.len() as u64 });
        }
        let n_sections = u32_at(head, at::N_SECTIONS);
        if !(1..=MAX_SECTIONS).contains(&n_sections) {
            return Err(LoadError::BadSectionCount { max: MAX_SECTIONS, found: n_sections });
        }
        let table_end = section_table_end(n_sections);
        let Some(table) = file.get(HEADER_BYTES..table_end) else {
            return Err(LoadError::Truncated { need: table_end as u64, have: total_len });
        };
        let header = Self {
            n_sections,
            total_len,
            required_features: u64_at(head, at::REQUIRED_FEATURES),
            optional_features: u64_at(head, at::OPTIONAL_FEATURES),
            checksum: u64_at(head, at::CHECKSUM),
        };
        let found = checksum_of(head, table);
        if found != header.checksum {
            return Err(LoadError::HeaderChecksum { expected: header.checksum, found });
        }
        if let Some(index) = first_non_zero(&head[at::RESERVED..at::CHECKSUM]) {
            return Err(LoadError::ReservedNotZero { offset: (at::RESERVED + index) as u64 });
        }
        let unknown = header.required_features & !KNOWN_FEATURES;
        if unknown != 0 {
            return Err(LoadError::UnsupportedFeatures { bits: unknown });
        }
        Ok(header)
    }

    /// The header's bytes for a file with this encoded section `table`; `self.checksum` is computed, not read.
    #[must_use]
    pub fn encode(&self, table: &[u8]) -> [u8; HEADER_BYTES] {
        let mut head = [0; HEADER_BYTES];
        put(&mut head, 0, &MAGIC);
        put(&mut head, at::VERSION, &VERSION.to_le_bytes());
        put(&mut head, at::N_SECTIONS, &self.n_sections.to_le_bytes());
        put(&mut head, at::TOTAL_LEN, &self.total_len.to_le_bytes());
        put(&mut head, at::REQUIRED_FEATURES, &self.required_features.to_le_bytes());
        put(&mut head, at::OPTIONAL_FEATURES, &self.optional_features.to_le_bytes());
        let checksum = checksum_of(&head, table);
        put(&mut head, at::CHECKSUM, &checksum.to_le_bytes());
        head
    }
}

/// XXH64 over the header without its checksum field, then the section table.
fn checksum_of(head: &[u8], table: &[u8]) -> u64 {
    let mut sum = Checksum::new();
    sum.update(&head[..at::CHECKSUM]);
    sum.update(table);
    sum.value()
}
