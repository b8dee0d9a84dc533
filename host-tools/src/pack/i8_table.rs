//! The embedding and head in one byte a weight, with one scale a row
//!
//! `scale = absmax / 127`, `byte = round_half_even(weight / scale)`: the weight nearest to absmax becomes ±127, the
//! largest error is half a step. A row of zeros has scale 0. A split table holds the same bytes in two planes
//! (`ternlet_kernels::layout::i8_split`): its rows are those of the high plane, the rest is derived with the scales.

use half::{bf16, f16};
use ternlet_kernels::layout::i8_split;
use ternlet_runtime::format::{Layout, TableForm};

/// Largest magnitude of a quantised weight.
const MAX_CODE: f32 = 127.0;

/// Quantises rows that arrive in a float layout.
#[derive(Debug)]
pub struct I8Rows {
    stored: Layout,
    form: TableForm,
    weights: Vec<f32>,
    codes: Vec<i8>,
    bytes: Vec<u8>,
    derived: Derived,
}

/// What follows a table of one byte a weight in the file.
#[derive(Debug, Default)]
pub struct Derived {
    /// One factor per row.
    pub scales: Vec<f32>,
    /// Of a split table: what bounds each row of the low plane.
    pub bounds: Vec<f32>,
    /// Of a split table: the low plane.
    pub low: Vec<u8>,
}

impl I8Rows {
    /// For rows stored in `stored`, a float layout, that become a table of `form`: i8, whole or split.
    #[must_use]
    pub fn new(stored: Layout, form: TableForm) -> Self {
        let (weights, codes, bytes) = (Vec::new(), Vec::new(), Vec::new());
        Self { stored, form, weights, codes, bytes, derived: Derived::default() }
    }

    /// The table's next row: bytes of i8, or of their high plane.
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
        self.derived.scales.push(scale);
        self.codes.clear();
        // A scale may underflow to zero; its row is then zero to every f32 reader as well.
        let divisor = if scale == 0.0 { f32::INFINITY } else { scale };
        #[expect(clippy::cast_possible_truncation, reason = "clamped to -127..=127")]
        let code = |weight: &f32| (weight / divisor).round_ties_even().clamp(-MAX_CODE, MAX_CODE) as i8;
        self.codes.extend(self.weights.iter().map(code));
        self.bytes.clear();
        if self.form == TableForm::I8Split {
            self.split();
        } else {
            self.bytes.extend(self.codes.iter().map(|code| code.cast_unsigned()));
        }
        &self.bytes
    }

    /// Splits the row's codes: the high plane to `bytes`, the rest to `derived`.
    fn split(&mut self) {
        let k = self.codes.len();
        self.bytes.resize(i8_split::high_row_bytes(k), 0);
        let start = self.derived.low.len();
        self.derived.low.resize(start + i8_split::low_row_bytes(k), 0);
        let low = &mut self.derived.low[start..];
        i8_split::pack_row(&self.codes, &mut self.bytes, low);
        #[expect(clippy::cast_precision_loss, reason = "at most 1792")]
        self.derived.bounds.push(i8_split::low_norm(low, k) as f32);
    }

    /// What belongs to all rows so far.
    #[must_use]
    pub fn into_derived(self) -> Derived {
        self.derived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absmax_becomes_127_halves_round_to_even_and_zeros_stay() {
        let row = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let mut rows = I8Rows::new(Layout::F32, TableForm::I8);
        assert_eq!(rows.quantise(&row(&[-254.0, 1.0, 3.0, 127.0])), [129, 0, 2, 64]);
        assert_eq!(rows.quantise(&row(&[0.0, -0.0])), [0, 0]);
        assert_eq!(rows.into_derived().scales, [2.0, 0.0]);
    }

    #[test]
    fn a_split_table_holds_the_same_codes() {
        let values: Vec<f32> = (0..130_u8).map(|i| f32::from(i) - 60.5).collect();
        let row: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut whole = I8Rows::new(Layout::F32, TableForm::I8);
        let codes: Vec<i8> = whole.quantise(&row).iter().map(|code| code.cast_signed()).collect();
        let mut split = I8Rows::new(Layout::F32, TableForm::I8Split);
        let high = split.quantise(&row).to_vec();
        let derived = split.into_derived();
        let mut joined = vec![0; codes.len()];
        i8_split::unpack_row(&high, &derived.low, &mut joined);
        assert_eq!(joined, codes);
        assert_eq!(derived.bounds, [i8_split::low_norm(&derived.low, 130) as f32]);
        assert_eq!(derived.scales, whole.into_derived().scales);
    }
}
