//! Where the packer's weights come from: a checkpoint, or a generator

use ternlet_runtime::Config;
use ternlet_runtime::format::{ExpectedTensor, Layout};

use crate::error::Error;

/// A model's weights, tensor by tensor in any order, row by row in file order.
pub trait Source: std::fmt::Debug + Sync {
    /// The model's shape and defaults, checked.
    fn config(&self) -> &Config;

    /// The layout in which `tensor` (the embedding or head) is stored: f32, f16 or bf16.
    ///
    /// # Errors
    /// If the source has no such tensor.
    fn table_layout(&self, tensor: &ExpectedTensor) -> Result<Layout, Error>;

    /// The rows of a ternary matrix.
    ///
    /// # Errors
    /// Weights or a scale that cannot be packed.
    fn ternary(&self, tensor: &ExpectedTensor) -> Result<Box<dyn TernaryRows + '_>, Error>;

    /// A vector's values, all finite.
    ///
    /// # Errors
    /// Values that are not finite.
    fn vector(&self, tensor: &ExpectedTensor) -> Result<Vec<f32>, Error>;

    /// Visits each row of the embedding or head in order, in [`table_layout`](Self::table_layout), all finite.
    ///
    /// # Errors
    /// Values that are not finite, and what `visit` returns.
    fn table_rows(
        &self,
        tensor: &ExpectedTensor,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Hears that `tensor` is packed and will not be asked for again: a mapped file can leave memory.
    fn release(&self, tensor: &ExpectedTensor) {
        let _ = tensor;
    }
}

/// The rows of one ternary matrix.
pub trait TernaryRows {
    /// The factor of every trit.
    fn scale(&self) -> f32;

    /// Writes row `row` in layout i2 into `packed`, which is as long as a row.
    ///
    /// # Errors
    /// Stored bytes that are no trits.
    fn pack_row(&mut self, row: usize, packed: &mut [u8]) -> Result<(), Error>;
}
