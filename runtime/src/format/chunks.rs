//! The payload's checksums: one per chunk of the TENSORS section
//!
//! Chunks are independent, so callers verify them in parallel, with progress, or one per idle moment on a board. The
//! last chunk is as long as what is left.

/// Bytes of TENSORS covered by one checksum.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Number of chunks in a TENSORS section of `tensors_len` bytes.
#[must_use]
pub const fn n_chunks(tensors_len: u64) -> u64 {
    tensors_len.div_ceil(CHUNK_BYTES as u64)
}
