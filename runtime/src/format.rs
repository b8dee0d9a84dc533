//! The model file, version 1: `runtime/FORMAT.md` is the law, this is its reader
//!
//! Bytes become a [`Header`], then [`Sections`], then a [`Config`](crate::config::Config) and a [`Directory`]. Each
//! step is a checked gate that returns a typed [`LoadError`]; nothing here reads the tensor payload, allocates or
//! copies. Every record has an `encode` beside its `decode`, so the packer and the loader cannot disagree about an
//! offset. This module does not know what a layer computes; `model` does.

mod chunks;
mod config_record;
mod directory;
mod error;
mod field;
mod header;
mod layout;
mod prefix;
mod schedule;
mod sections;
mod self_test;
mod system;

pub use chunks::{CHUNK_BYTES, n_chunks};
pub use config_record::{CONFIG_RECORD_BYTES, decode_config, encode_config};
pub use directory::{Directory, ENTRY_BYTES, NO_LAYER, Role, TensorEntry};
pub use error::LoadError;
pub use header::{HEADER_BYTES, Header, MAGIC, VERSION};
pub use layout::{Layout, Order};
pub use prefix::{
    ChainedChecksum, MAX_PREFIX_IDS, NUMERICS_VERSION, PREFIX_HEADER_BYTES, PREFIX_MAGIC, PREFIX_VERSION,
    PrefixError, PrefixHeader,
};
pub use schedule::{ExpectedTensor, Schedule, TableForm, TensorKind};
pub use sections::{MAX_SECTIONS, SECTION_ENTRY_BYTES, SectionEntry, SectionId, Sections, section_table_end};
pub use self_test::{MAX_SELF_TEST_IDS, SELF_TEST_HEAD_BYTES, SelfTest, encode_self_test_head};
pub use system::{
    MAX_SYSTEM_TEXT_BYTES, SYSTEM_HEAD_BYTES, SystemError, SystemPrompt, encode_system_head,
    system_section_bytes,
};

/// Alignment in bytes of the model's base address, of every section and of every tensor: one cache line.
pub const ALIGN: usize = 64;
/// Alignment in bytes of the TENSORS section within the file: one page.
pub const TENSORS_ALIGN: usize = 4096;

// Tensors are used in place, and they are little-endian in the file.
const _: () =
    assert!(cfg!(target_endian = "little"), "ternlet reads model files in place on little-endian CPUs only");

/// Rounds `offset` up to a multiple of `align`; `None` on overflow.
#[must_use]
pub const fn align_up(offset: u64, align: usize) -> Option<u64> {
    offset.checked_next_multiple_of(align as u64)
}
