//! Little-endian fields at fixed offsets of fixed-size records
//!
//! Records reach these functions as arrays whose length the caller has checked, and offsets are constants, so the
//! slicing never fails on file contents.

/// The `u16` at `at`.
pub(super) fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(record, at))
}

/// The `u32` at `at`.
pub(super) fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(record, at))
}

/// The `u64` at `at`.
pub(super) fn u64_at(record: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(record, at))
}

/// The `f32` at `at`, any bit pattern.
pub(super) fn f32_at(record: &[u8], at: usize) -> f32 {
    f32::from_le_bytes(array_at(record, at))
}

/// The `f64` at `at`, any bit pattern.
pub(super) fn f64_at(record: &[u8], at: usize) -> f64 {
    f64::from_le_bytes(array_at(record, at))
}

/// Writes `value` at `at`.
pub(super) fn put(record: &mut [u8], at: usize, value: &[u8]) {
    record[at..at + value.len()].copy_from_slice(value);
}

/// The index of the first byte that is not zero.
pub(super) fn first_non_zero(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte != 0)
}

fn array_at<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&record[at..at + N]);
    array
}
