//! Packed weights of transformers: four trits in a byte, a quarter of the rows apart
//!
//! Stored tensor `u8 [n/4, k]`: with `q = n/4`, bits 2i+1:2i of byte `[r, c]` hold weight `[i·q + r, c] + 1`
//! (transformers, `integrations/bitnet.py`, `pack_weights`). One scale per matrix lies beside it; whether it multiplies
//! or divides is the checkpoint's [`WeightForm`](super::hf_config::WeightForm).

use ternlet_kernels::layout::i2;

use super::checkpoint::StoredTensor;
use crate::error::Error;
use crate::pack::TernaryRows;

/// Trits in a byte.
pub(super) const TRITS_PER_BYTE: usize = 4;

/// Four trits 0.
const ZERO_BYTE: u8 = 0b0101_0101;

/// Whether all trits of a packed matrix are 0.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == ZERO_BYTE)
}

/// A packed matrix, re-packed row by row.
pub(super) struct PackedRows<'a> {
    tensor: StoredTensor<'a>,
    k: usize,
    scale: f32,
    trits: Vec<i8>,
}

impl<'a> PackedRows<'a> {
    /// The rows of `tensor`, each of `k` trits, under the multiplying `scale`.
    pub(super) fn new(tensor: StoredTensor<'a>, k: usize, scale: f32) -> Self {
        Self { tensor, k, scale, trits: vec![0; k] }
    }
}

impl TernaryRows for PackedRows<'_> {
    fn scale(&self) -> f32 {
        self.scale
    }

    fn pack_row(&mut self, row: usize, packed: &mut [u8]) -> Result<(), Error> {
        let quarter = self.tensor.shape[0];
        let (field, stored_row) = (row / quarter, row % quarter);
        let bytes = &self.tensor.bytes[stored_row * self.k..][..self.k];
        for (column, (trit, byte)) in self.trits.iter_mut().zip(bytes).enumerate() {
            let code = (byte >> (2 * field)) & 3;
            if code == 3 {
                return Err(Error::new(
                    self.tensor.name,
                    format!("expected codes 0 to 2, found 3 at row {row}, column {column}"),
                )
                .hint("the checkpoint is damaged, or packed in a layout of another tool"));
            }
            *trit = code.cast_signed() - 1;
        }
        i2::pack_row(&self.trits, packed);
        Ok(())
    }
}
