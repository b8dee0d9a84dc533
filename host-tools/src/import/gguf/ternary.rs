//! Rows of trits, out of every type that can hold them
//!
//! A ternary matrix has one scale. Floats must already be `-s`, `0` and `s`, as converters write them: taking absmean
//! again would shrink the scale by the part of zeros, so `s` is the largest magnitude and anything else is refused.
//! Blocks with scales of their own (`TQ1_0`, `TQ2_0`) must agree on one; a block of zeros may have none.
//!
//! Layouts, checked against gguf-py: `TQ1_0` and `TQ2_0` from ggml's `ggml-quants.c`; `I2_S` from bitnet.cpp's
//! `ggml-bitnet-mad.cpp`, which has three orders under one name (see [`I2sOrder`]).

use half::f16;
use ternlet_kernels::layout::i2;

use super::blocks::FloatBlocks;
use super::i2s_order::I2sOrder;
use crate::error::Error;
use crate::pack::TernaryRows;

/// Weights in a block of `TQ1_0` and `TQ2_0`.
pub(super) const TQ_BLOCK: usize = 256;
/// Bytes of a block of `TQ1_0`: 48 of five trits, 4 of four trits, the scale.
const TQ1_BYTES: usize = 54;
/// Bytes of a block of `TQ2_0`: 64 of four trits, the scale.
const TQ2_BYTES: usize = 66;
/// Bytes of an `I2_S` tensor after its codes: the scale as f32, and padding.
pub(super) const I2_S_TAIL: usize = 32;
/// The scale of a matrix of zeros: that of the recipe, whose absmean is at least this.
const ZERO_SCALE: f32 = 1e-5;

/// A type that holds trits and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TernaryBlocks {
    Tq1_0,
    Tq2_0,
    I2S,
}

/// A stored matrix of trits.
#[derive(Debug, Clone)]
pub(super) struct TernaryMatrix<'a> {
    /// Its name in the file.
    pub name: String,
    /// How it is stored.
    pub form: Form,
    /// Columns.
    pub k: usize,
    /// The tensor's bytes.
    pub bytes: &'a [u8],
}

/// How a matrix of trits is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Floats(FloatBlocks),
    Tq1_0,
    Tq2_0,
    I2S(I2sOrder),
}

impl<'a> TernaryMatrix<'a> {
    /// The one scale of the matrix, which multiplies.
    pub(super) fn scale(&self) -> Result<f32, Error> {
        let scale = match self.form {
            Form::Floats(float) => self.absmax(float)?,
            Form::Tq1_0 => self.block_scales(TQ1_BYTES).find(|scale| *scale != 0.0).unwrap_or(0.0),
            Form::Tq2_0 => self.block_scales(TQ2_BYTES).find(|scale| *scale != 0.0).unwrap_or(0.0),
            Form::I2S(_) => {
                let at = self.bytes.len() - I2_S_TAIL;
                f32::from_le_bytes(*self.bytes[at..].first_chunk().expect("the tail of I2_S"))
            }
        };
        if scale >= 0.0 && scale.is_finite() {
            return Ok(scale);
        }
        Err(Error::new(&self.name, format!("expected a finite scale, 0 or above, found {scale}"))
            .hint("the file is damaged, or the model's training diverged"))
    }

    /// The largest magnitude among floats.
    fn absmax(&self, float: FloatBlocks) -> Result<f32, Error> {
        let mut values = Vec::with_capacity(self.k);
        let mut max = 0_f32;
        for (row, bytes) in self.bytes.chunks_exact(float.row_bytes(self.k)).enumerate() {
            values.clear();
            float.widen(bytes, &mut values);
            if let Some((column, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
                let problem = format!("expected finite weights, found {value} at row {row}, column {column}");
                return Err(Error::new(&self.name, problem));
            }
            max = values.iter().fold(max, |max, value| max.max(value.abs()));
        }
        Ok(max)
    }

    /// The scales of blocks of `bytes` bytes, which end with them.
    fn block_scales(&self, bytes: usize) -> impl Iterator<Item = f32> + use<'a> {
        let scale = move |block: &[u8]| f16::from_le_bytes([block[bytes - 2], block[bytes - 1]]).to_f32();
        self.bytes.chunks_exact(bytes).map(scale)
    }
}

/// Reads a matrix row by row.
pub(super) struct Rows<'a> {
    matrix: TernaryMatrix<'a>,
    /// The scale of the stored trits.
    stored_scale: f32,
    /// Times the tensor of scales beside the matrix, if there is one.
    scale: f32,
    order: RowOrder,
    values: Vec<f32>,
    trits: Vec<i8>,
}

/// Which stored row is a row of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    AsStored,
    /// Rows of each head of this many lie in rotary pairs side by side, instead of half a head apart.
    AdjacentPairs(usize),
}

impl RowOrder {
    const fn stored(self, row: usize) -> usize {
        match self {
            Self::AsStored => row,
            Self::AdjacentPairs(head_dim) => {
                let within = row % head_dim;
                let half = head_dim / 2;
                row - within + 2 * (within % half) + within / half
            }
        }
    }
}

impl<'a> Rows<'a> {
    /// The rows of `matrix` in `order`, whose scale is multiplied by `extra_scale`.
    pub(super) fn new(matrix: TernaryMatrix<'a>, order: RowOrder, extra_scale: f32) -> Result<Self, Error> {
        let stored_scale = matrix.scale()?;
        let scale = if stored_scale == 0.0 { ZERO_SCALE } else { stored_scale * extra_scale };
        if !(scale > 0.0 && scale.is_finite()) {
            let problem =
                format!("expected a finite scale above 0, found {stored_scale} times {extra_scale}");
            return Err(Error::new(&matrix.name, problem));
        }
        let trits = vec![0; matrix.k];
        Ok(Self { matrix, stored_scale, scale, order, values: Vec::new(), trits })
    }

    /// Reads the trits of stored row `row`.
    pub(super) fn read(&mut self, row: usize) -> Result<&[i8], Error> {
        let TernaryMatrix { form, k, bytes, .. } = self.matrix;
        match form {
            Form::Floats(float) => self.read_floats(row, float)?,
            Form::Tq1_0 => self.read_blocks(row, TQ1_BYTES, tq1_0_code)?,
            Form::Tq2_0 => self.read_blocks(row, TQ2_BYTES, tq2_0_code)?,
            Form::I2S(order) => {
                for column in 0..k {
                    let (byte, shift) = order.place(row, column, k);
                    self.trits[column] = self.trit(bytes[byte] >> shift & 3, row, column)?;
                }
            }
        }
        if self.stored_scale == 0.0
            && let Some(column) = self.trits.iter().position(|trit| *trit != 0)
        {
            let problem =
                format!("expected zeros under a scale of 0, found a weight at row {row}, column {column}");
            return Err(Error::new(&self.matrix.name, problem));
        }
        Ok(&self.trits)
    }

    fn read_floats(&mut self, row: usize, float: FloatBlocks) -> Result<(), Error> {
        let row_bytes = float.row_bytes(self.matrix.k);
        self.values.clear();
        float.widen(&self.matrix.bytes[row * row_bytes..][..row_bytes], &mut self.values);
        let s = self.stored_scale;
        for (column, (trit, &value)) in self.trits.iter_mut().zip(&self.values).enumerate() {
            *trit = match value {
                0.0 => 0,
                _ if value == s => 1,
                _ if value == -s => -1,
                _ => {
                    return Err(Error::new(
                        &self.matrix.name,
                        format!(
                            "expected only -s, 0 and s with s = {s}, found {value} at row {row}, column {column}"
                        ),
                    )
                    .hint("the weights are not ternary; for masters of a ternary model pack the original checkpoint"));
                }
            };
        }
        Ok(())
    }

    fn read_blocks(
        &mut self,
        row: usize,
        block_bytes: usize,
        code: impl Fn(&[u8], usize) -> u8,
    ) -> Result<(), Error> {
        let row_bytes = self.matrix.k / TQ_BLOCK * block_bytes;
        let blocks = self.matrix.bytes[row * row_bytes..][..row_bytes].chunks_exact(block_bytes);
        for (index, block) in blocks.enumerate() {
            let scale = f16::from_le_bytes([block[block_bytes - 2], block[block_bytes - 1]]).to_f32();
            if scale != self.stored_scale && scale != 0.0 {
                return Err(Error::new(
                    &self.matrix.name,
                    format!(
                        "expected one scale in all blocks, found {} and, at row {row}, block {index}, {scale}",
                        self.stored_scale
                    ),
                )
                .hint("a scale per group of weights is another kind of model, which this version does not run"));
            }
            for within in 0..TQ_BLOCK {
                let column = index * TQ_BLOCK + within;
                let trit = self.trit(code(block, within), row, column)?;
                self.trits[column] = if scale == 0.0 { 0 } else { trit };
            }
        }
        Ok(())
    }

    fn trit(&self, code: u8, row: usize, column: usize) -> Result<i8, Error> {
        if code < 3 {
            return Ok(code.cast_signed() - 1);
        }
        Err(Error::new(
            &self.matrix.name,
            format!("expected codes 0 to 2, found {code} at row {row}, column {column}"),
        )
        .hint("the file is damaged, or the tensor is of another type under the same id"))
    }
}

/// Code of weight `index` of a block: bytes of five trits by 32, then by 16, then bytes of four.
///
/// A byte is a fraction in base 3, rounded up to 1/256: multiplying by 3^i and dropping the whole part leaves the
/// digits from the i-th on, and times 3 the next digit stands above the byte.
fn tq1_0_code(block: &[u8], index: usize) -> u8 {
    const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
    let (byte, digit) = match index {
        0..160 => (index % 32, index / 32),
        160..240 => (32 + (index - 160) % 16, (index - 160) / 16),
        _ => (48 + (index - 240) % 4, (index - 240) / 4),
    };
    let fraction = block[byte].wrapping_mul(POWERS[digit]);
    let [_, code] = (u16::from(fraction) * 3).to_le_bytes();
    code
}

/// Code of weight `index` of a block: byte j of each half holds weights j, 32+j, 64+j, 96+j of it, from the low bits up.
fn tq2_0_code(block: &[u8], index: usize) -> u8 {
    let (half, within) = (index / 128, index % 128);
    block[32 * half + within % 32] >> (2 * (within / 32)) & 3
}

impl TernaryRows for Rows<'_> {
    fn scale(&self) -> f32 {
        self.scale
    }

    fn pack_row(&mut self, row: usize, packed: &mut [u8]) -> Result<(), Error> {
        let stored_row = self.order.stored(row);
        i2::pack_row(self.read(stored_row)?, packed);
        Ok(())
    }
}
