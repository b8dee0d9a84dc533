//! The embedding and head in one byte a weight, with one scale a row
//!
//! `scale = absmax / 127`, `byte = round_half_even(weight / scale)`: the weight nearest to absmax becomes ±127, the
//! largest error is half a step. A row of zeros has scale 0.

use half::{bf16, f16};
use ternlet_runtime::format::Layout;

/// Largest magnitude of a quantised weight.
const MAX_CODE: f32 = 127.0;

/// Quantises rows that arrive in a float layout.
#[derive(Debug)]
pub struct I8Rows {
    stored: Layout,
    weights: Vec<f32>,
    codes: Vec<u8>,
    scales: Vec<f32>,
}

impl I8Rows {
    /// For rows stored in `stored`, a float layout.
    #[must_use]
    pub const fn new(stored: Layout) -> Self {
        Self { stored, weights: Vec::new(), codes: Vec::new(), scales: Vec::new() }
    }

    /// The next row's codes, as the bytes of i8.
    pub fn quantise(&mut self, row: &[u8]) -> &[u8] {
        self.weights.clear();
        match self.stored {
            Layout::Bf16 => {
                self.weights.extend(row.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()));
            }
            Layout::F16 => {
                self.weights.extend(row.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()));
            }
            _ => self.weights.extend(row.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
        }
        let absmax = self.weights.iter().fold(0_f32, |max, weight| max.max(weight.abs()));
        let scale = absmax / MAX_CODE;
        self.scales.push(scale);
        self.codes.clear();
        // A scale may underflow to zero; its row is then zero to every f32 reader as well.
        let divisor = if scale == 0.0 { f32::INFINITY } else { scale };
        #[expect(clippy::cast_possible_truncation, reason = "clamped to -127..=127")]
        let code = |weight: &f32| {
            ((weight / divisor).round_ties_even().clamp(-MAX_CODE, MAX_CODE) as i8).cast_unsigned()
        };
        self.codes.extend(self.weights.iter().map(code));
        &self.codes
    }

    /// The scales of all rows so far.
    #[must_use]
    pub fn into_scales(self) -> Vec<f32> {
        self.scales
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absmax_becomes_127_halves_round_to_even_and_zeros_stay() {
        let row = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let mut rows = I8Rows::new(Layout::F32);
        assert_eq!(rows.quantise(&row(&[-254.0, 1.0, 3.0, 127.0])), [129, 0, 2, 64]);
        assert_eq!(rows.quantise(&row(&[0.0, -0.0])), [0, 0]);
        assert_eq!(rows.into_scales(), [2.0, 0.0]);
    }
}
