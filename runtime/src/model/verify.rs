//! Payload checks: damage by checksum, nonsense by looking at every element
//!
//! The units are independent (a chunk of 1 MiB, a tensor), so a caller runs them in parallel or between tokens and shows
//! progress. None of this is needed for memory safety.

use super::Model;
use ternlet_kernels::layout::{TernaryLayout, i8_split, tl1};

use crate::format::{ALIGN, Layout, LoadError, Order, Role, TensorEntry};

impl Model<'_> {
    /// Compares payload chunk `index` with its checksum.
    ///
    /// # Errors
    /// Rejection R36 of `FORMAT.md`.
    ///
    /// # Panics
    /// If `index` is not below [`n_chunks`](Model::n_chunks).
    pub fn verify_chunk(&self, index: u64) -> Result<(), LoadError> {
        assert!(index < self.n_chunks(), "chunk {index} of {}", self.n_chunks());
        self.sections.verify_chunk(usize::try_from(index).expect("chunks lie in memory"))
    }

    /// Compares the whole payload with its checksums, one chunk after the other.
    ///
    /// # Errors
    /// Rejection R36 of `FORMAT.md`, for the first damaged chunk.
    pub fn verify_payload(&self) -> Result<(), LoadError> {
        (0..self.n_chunks()).try_for_each(|index| self.verify_chunk(index))
    }

    /// Compares the rows of the stored system message, if there is one, with their checksums.
    ///
    /// # Errors
    /// Rejection S11 of `FORMAT.md`.
    pub fn verify_system(&self) -> Result<(), LoadError> {
        self.system.map_or(Ok(()), |system| system.verify_positions()).map_err(LoadError::System)
    }

    /// Looks at every element of tensor `index` (file order) and at the padding before it: trits valid, floats finite,
    /// padding zero.
    ///
    /// # Errors
    /// Rejections R37 to R39, R47 and R48 of `FORMAT.md`.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn verify_tensor(&self, index: u32) -> Result<(), LoadError> {
        let (entry, bytes) = self.tensor(index);
        let start = usize::try_from(entry.offset).expect("within the payload");
        let previous_end = match index {
            0 => 0,
            _ => {
                let (previous, previous_bytes) = self.tensor(index - 1);
                usize::try_from(previous.offset).expect("within the payload") + previous_bytes.len()
            }
        };
        debug_assert!(start - previous_end < ALIGN, "padding is shorter than the alignment");
        if self.sections.tensors[previous_end..start].iter().any(|&byte| byte != 0) {
            return Err(LoadError::TensorGapNotZero { index });
        }
        match entry.layout {
            Layout::I2 | Layout::Tl1 | Layout::Tl2 | Layout::T5 => {
                let layout = entry.layout.ternary().expect("one of these");
                match first_invalid(layout, &entry, bytes) {
                    None => Ok(()),
                    Some(row) => Err(LoadError::InvalidTrits { index, row }),
                }
            }
            Layout::F32 => {
                all_finite(bytes, index, |b: [u8; 4]| f32::from_le_bytes(b).is_finite())?;
                match entry.role {
                    Role::TokenEmbeddingBound | Role::LmHeadBound => self.verify_bounds(index),
                    _ => Ok(()),
                }
            }
            Layout::F16 => all_finite(bytes, index, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7c00 != 0x7c00),
            Layout::Bf16 => all_finite(bytes, index, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7f80 != 0x7f80),
            Layout::I8 => Ok(()),
            Layout::I8Split => {
                padded(bytes, entry.k, i8_split::high_row_bytes, i8_split::is_valid_high, index)
            }
            Layout::I8Low => padded(bytes, entry.k, i8_split::low_row_bytes, i8_split::is_valid_low, index),
        }
    }

    /// Compares the bounds at `index` with the rows of the low plane, which is the next tensor.
    fn verify_bounds(&self, index: u32) -> Result<(), LoadError> {
        let (plane, low) = self.tensor(index + 1);
        let k = usize::try_from(plane.k).expect("at most MAX_DIM");
        let rows = low.chunks_exact(i8_split::low_row_bytes(k));
        for ((row, bound), low) in (0..).zip(self.vector(index)).zip(rows) {
            let expected = i8_split::low_norm(low, k);
            #[expect(clippy::cast_precision_loss, reason = "at most 1792")]
            if *bound != expected as f32 {
                return Err(LoadError::WrongBound { index, row, expected, found: *bound });
            }
        }
        Ok(())
    }
}

/// Whether every row of a plane ends in weights of 0; else the first that does not.
fn padded(
    bytes: &[u8],
    k: u64,
    row_bytes: fn(usize) -> usize,
    is_valid: fn(&[u8], usize) -> bool,
    index: u32,
) -> Result<(), LoadError> {
    let k = usize::try_from(k).expect("at most MAX_DIM");
    let invalid = bytes.chunks_exact(row_bytes(k)).position(|row| !is_valid(row, k));
    invalid.map_or(Ok(()), |row| Err(LoadError::PlanePaddingNotZero { index, row: row as u64 }))
}

/// The first row (column of a column-major matrix, tile of a tiled one) that the layout's `pack` does not write.
fn first_invalid(layout: TernaryLayout, entry: &TensorEntry, bytes: &[u8]) -> Option<u64> {
    let dim = |value: u64| usize::try_from(value).expect("at most MAX_DIM");
    let k = match entry.order {
        Order::RowMajor => dim(entry.k),
        Order::ColumnMajor => dim(entry.n),
    };
    let tile_rows = layout.tile_rows();
    let tiles = bytes.chunks_exact(layout.matrix_bytes(tile_rows, k));
    let n_rows = dim(entry.n);
    let is_valid = |first_row: usize, tile| {
        let is_padded = layout == TernaryLayout::Tl1 && n_rows < first_row + tile_rows;
        layout.is_valid(tile, k) && (!is_padded || tl1::rows_are_zero(tile, n_rows - first_row))
    };
    let mut tiles = (0..).step_by(tile_rows).zip(tiles);
    tiles.find(|&(first_row, tile)| !is_valid(first_row, tile)).map(|(first_row, _)| first_row as u64)
}

/// Whether every `N`-byte element satisfies `is_finite`; else the first that does not.
fn all_finite<const N: usize>(
    bytes: &[u8],
    index: u32,
    is_finite: impl Fn([u8; N]) -> bool,
) -> Result<(), LoadError> {
    let (elements, _) = bytes.as_chunks::<N>();
    match elements.iter().position(|&element| !is_finite(element)) {
        None => Ok(()),
        Some(element) => Err(LoadError::NotFinite { index, element: element as u64 }),
    }
}
