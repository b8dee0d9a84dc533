//! The transformer's operations: a kernel, a split between workers, and nothing else
//!
//! Every float reduction stays on one worker (design rule: bits do not depend on the split).

mod columns;
mod linear;
mod split_head;

pub(crate) use columns::{MAX_JOINED_ROWS, linear_columns, outputs_per_tile};
pub(crate) use linear::{Inputs, linear, linear_rows, quantise_inputs};
pub(crate) use split_head::{SplitInputs, largest};

use core::ops::Range;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::i8_split;

use crate::model::Table;
use crate::parallel::{Parallel, RowsMut, for_column_ranges, for_each_row};
use crate::plan::TILE_ROWS;

/// Logits of a worker's share come in multiples of this, so that it fills the kernels' row tiles.
const ROW_GRAIN: usize = 16;

/// `out[i] = weight[i] · x[i] / sqrt(mean(x²) + eps)`: RMSNorm, arXiv:1910.07467 section 4.
///
/// `x`, `weight`, `out`: `[dim]`.
pub(crate) fn rms_norm(kernels: &Kernels, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    #[expect(clippy::cast_precision_loss, reason = "lengths are at most 65536, exact in f32")]
    let mean = kernels.sum_squares(x) / x.len() as f32;
    // Squares that overflow would make a row of zeros, numbers that look sound: NaN reaches the logits.
    let mean = if mean.is_finite() { mean } else { f32::NAN };
    kernels.scale_mul(x, 1.0 / libm::sqrtf(mean + eps), weight, out);
}

/// `out[i] = x[i] / sqrt(Σ x²)`; `false`, with `out` untouched, if that length is zero, infinite or not a number.
///
/// `x`, `out`: `[dim]`.
pub(crate) fn l2_normalise(kernels: &Kernels, x: &[f32], out: &mut [f32]) -> bool {
    let length = libm::sqrtf(kernels.sum_squares(x));
    if !(length.is_finite() && length > 0.0) {
        return false;
    }
    out.iter_mut().zip(x).for_each(|(out, x)| *out = x / length);
    true
}

/// Cosines and sines of the rotary angles `pos · inv_freq[i]`: RoPE, arXiv:2104.09864 section 3.4.2.
///
/// `inv_freq`, `cos`, `sin`: `[head_dim / 2]`.
pub(crate) fn rope_angles(pos: u32, inv_freq: &[f32], cos: &mut [f32], sin: &mut [f32]) {
    #[expect(clippy::cast_precision_loss, reason = "positions are at most 2^20, exact in f32")]
    let pos = pos as f32;
    for ((&f, c), s) in inv_freq.iter().zip(cos).zip(sin) {
        let angle = pos * f;
        *c = libm::cosf(angle);
        *s = libm::sinf(angle);
    }
}

/// `x[t] += y[t]`, row by row: the residual stream.
///
/// `x`, `y`: `[m, dim]`.
pub(crate) fn add_rows(kernels: &Kernels, parallel: &dyn Parallel, dim: usize, x: &mut [f32], y: &[f32]) {
    for_each_row(parallel, RowsMut::new(x, dim), &mut [(); 0], |t, x, _| {
        kernels.add_assign(x, &y[t * dim..(t + 1) * dim]);
    });
}

/// Copies row `id` of a table `[vocab_size, dim]` to `out`, widened to f32.
pub(crate) fn embed(kernels: &Kernels, table: &Table<'_>, id: usize, out: &mut [f32]) {
    let row = id * out.len()..(id + 1) * out.len();
    match table {
        Table::F32(rows) => out.copy_from_slice(&rows[row]),
        Table::F16(rows) => kernels.widen_f16(&rows[row], out),
        Table::Bf16(rows) => kernels.widen_bf16(&rows[row], out),
        Table::I8 { rows, row_scale } => {
            for (o, &q) in out.iter_mut().zip(&rows[row]) {
                *o = f32::from(q) * row_scale[id];
            }
        }
        Table::I8Split(table) => {
            let (high, low) = table.row(id);
            let mut weights = [0; i8_split::BLOCK];
            let blocks = high.as_chunks().0.iter().zip(low.as_chunks().0);
            for (out, (high, low)) in out.chunks_mut(i8_split::BLOCK).zip(blocks) {
                i8_split::unpack_block(high, low, &mut weights);
                out.iter_mut().zip(weights).for_each(|(o, q)| *o = f32::from(q) * table.row_scale[id]);
            }
        }
    }
}

/// The scratch of an int8 head: its inputs in 16 bits.
#[derive(Debug)]
pub(crate) struct HeadInputs<'a> {
    /// High planes, `[r, k_padded(dim)]`.
    pub(crate) high: &'a mut [i8],
    /// Low planes, `[r, k_padded(dim)]`.
    pub(crate) low: &'a mut [i8],
    /// Scales, `[r]`.
    pub(crate) scale: &'a mut [f32],
    /// Sums and norms, `[r, 2]`.
    pub(crate) sums: &'a mut [i64],
}

/// Quantises `x: [r, dim]`, where `r` is at most what `inputs` has room for; the planes end in zeros.
pub(crate) fn quantise_head_inputs<'a>(
    kernels: &Kernels,
    dim: usize,
    x: &[f32],
    inputs: &'a mut HeadInputs<'_>,
) -> SplitInputs<'a> {
    let (r, padded) = (x.len() / dim, i8_split::k_padded(dim));
    let (high, low) = (&mut inputs.high[..r * padded], &mut inputs.low[..r * padded]);
    let (scale, sums) = (&mut inputs.scale[..r], &mut inputs.sums[..2 * r]);
    let planes = high.chunks_exact_mut(padded).zip(low.chunks_exact_mut(padded));
    for ((x, (high, low)), scale) in x.chunks_exact(dim).zip(planes).zip(scale.iter_mut()) {
        high[dim..].fill(0);
        low[dim..].fill(0);
        *scale = kernels.quantise_i16(x, &mut high[..dim], &mut low[..dim]);
    }
    split_head::sum_inputs(high, low, sums);
    SplitInputs { high, low, scale, sums }
}

/// Logits of `x: [r, dim]` against a table `[vocab_size, dim]`, into `logits: [r, vocab_size]`.
///
/// | arg      | shape      | meaning                                            |
/// |----------|------------|----------------------------------------------------|
/// | `x`      | `[r, dim]` | final norm's output                                |
/// | `inputs` | `[r, ..]`  | scratch: the same in 16 bits, if the table is int8 |
pub(crate) fn lm_head(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    table: &Table<'_>,
    dim: usize,
    x: &[f32],
    inputs: &mut HeadInputs<'_>,
    logits: &mut [f32],
) {
    let r = x.len() / dim;
    let vocab_size = logits.len() / r;
    let inputs = match table {
        Table::I8 { .. } | Table::I8Split(_) => quantise_head_inputs(kernels, dim, x, inputs),
        _ => SplitInputs { high: &[], low: &[], scale: &[], sums: &[] },
    };
    let padded = i8_split::k_padded(dim);
    for_column_ranges(parallel, ROW_GRAIN, logits, vocab_size, &mut [(); 0], |mut columns, _| {
        for tile in tiles(columns.range()) {
            let (n, rows) = (tile.len(), tile.start * dim..tile.end * dim);
            for t in 0..r {
                let out = columns.segment(t, tile.clone());
                let own = t * dim..(t + 1) * dim;
                match table {
                    Table::F32(w) => kernels.gemv_f32_f32(&w[rows.clone()], n, dim, dim, &x[own], out),
                    Table::F16(w) => kernels.gemv_f32_f16(&w[rows.clone()], n, dim, dim, &x[own], out),
                    Table::Bf16(w) => kernels.gemv_f32_bf16(&w[rows.clone()], n, dim, dim, &x[own], out),
                    Table::I8 { rows: w, row_scale } => kernels.gemv_i16_i8(
                        &w[rows.clone()],
                        &row_scale[tile.clone()],
                        n,
                        dim,
                        &inputs.high[t * padded..][..dim],
                        &inputs.low[t * padded..][..dim],
                        inputs.scale[t],
                        out,
                    ),
                    Table::I8Split(table) => {
                        split_head::logits(kernels, table, dim, tile.start, &inputs, t, out);
                    }
                }
            }
        }
    });
}

/// `range` cut into pieces of at most [`TILE_ROWS`].
fn tiles(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(TILE_ROWS).map(move |start| start..end.min(start + TILE_ROWS))
}

#[cfg(test)]
mod tests {
    use super::rms_norm;
    use ternlet_kernels::{CpuFeatures, Kernels};

    #[test]
    fn squares_that_overflow_are_not_a_row_of_zeros() {
        let kernels = Kernels::best(CpuFeatures::none());
        let mut out = [0.0; 3];
        rms_norm(kernels, &[1e30, 0.0, -1.0], &[1.0; 3], 1e-5, &mut out);
        assert!(out.iter().all(|v| v.is_nan()), "{out:?}");
        rms_norm(kernels, &[1e18, 0.0, -1.0], &[1.0; 3], 1e-5, &mut out);
        assert!(out.iter().all(|v| v.is_finite()), "{out:?}");
    }
}
