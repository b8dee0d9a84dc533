//! Master weights: trained floats become trits by absmean
//!
//! BitNet b1.58, arXiv:2402.17764 §2: `s = 1 / mean(|W|)`, `t = clamp(round(W · s), -1, 1)`, rounding half to even as
//! transformers does. The mean is summed in f64 in file order and rounded once, so every machine packs the same bytes.

use ternlet_kernels::layout::i2;

use super::checkpoint::StoredTensor;
use super::stored_floats::FloatType;
use crate::error::Error;
use crate::pack::TernaryRows;

/// The smallest scale, as in the recipe: keeps an all-zero matrix finite.
const MIN_MEAN: f32 = 1e-5;

/// A matrix of master weights, quantised row by row.
pub(super) struct MasterRows<'a> {
    bytes: &'a [u8],
    float: FloatType,
    k: usize,
    mean: f32,
    trits: Vec<i8>,
}

impl<'a> MasterRows<'a> {
    /// Takes the absmean of `tensor`, whose rows have `k` elements.
    pub(super) fn new(tensor: &StoredTensor<'a>, float: FloatType, k: usize) -> Result<Self, Error> {
        let mut sum = 0_f64;
        let mut n = 0_u64;
        for value in float.widen(tensor.bytes) {
            sum += f64::from(value.abs());
            n += 1;
        }
        // One NaN or infinity makes the sum so; only then look for it.
        if !sum.is_finite() {
            let (element, value) = float.first_not_finite(tensor.bytes).unwrap_or((0, f32::NAN));
            return Err(Error::new(
                tensor.name,
                format!(
                    "expected finite weights, found {value} at row {}, column {}",
                    element / k,
                    element % k
                ),
            )
            .hint("the checkpoint is damaged or its training diverged"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "at most 2^32 weights, exact in f64; the one rounding of the mean to f32"
        )]
        let mean = ((sum / n as f64) as f32).max(MIN_MEAN);
        Ok(Self { bytes: tensor.bytes, float, k, mean, trits: vec![0; k] })
    }
}

impl TernaryRows for MasterRows<'_> {
    fn scale(&self) -> f32 {
        self.mean
    }

    fn pack_row(&mut self, row: usize, packed: &mut [u8]) -> Result<(), Error> {
        let row_bytes = self.k * self.float.bytes();
        let weights = self.float.widen(&self.bytes[row * row_bytes..][..row_bytes]);
        let s = 1.0 / self.mean;
        for (trit, weight) in self.trits.iter_mut().zip(weights) {
            // The same as rounding half to even and clamping to ±1, in two comparisons: ±0.5 goes to 0.
            let x = weight * s;
            *trit = i8::from(x > 0.5) - i8::from(x < -0.5);
        }
        i2::pack_row(&self.trits, packed);
        Ok(())
    }
}
