//! The transformer's operations: a kernel, a split between workers, and nothing else
//!
//! Every float reduction stays on one worker (design rule: bits do not depend on the split).

mod columns;
mod linear;

pub(crate) use columns::{MAX_JOINED_ROWS, linear_columns, outputs_per_tile};
pub(crate) use linear::{Inputs, linear, linear_rows, quantise_inputs};

use core::ops::Range;

use ternlet_kernels::Kernels;

use crate::model::Table;
use crate::parallel::{Parallel, for_column_ranges};
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
    }
}

/// Logits of `x: [r, dim]` against a table `[vocab_size, dim]`, into `logits: [r, vocab_size]`.
///
/// | arg           | shape        | meaning                                           |
/// |---------------|--------------|---------------------------------------------------|
/// | `x`           | `[r, dim]`   | final norm's output                               |
/// | `high`, `low` | `[r, dim]`   | scratch: planes of the int8 head's 16-bit input   |
/// | `x_scale`     | `[r]`        | scratch: their scales                             |
pub(crate) fn lm_head(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    table: &Table<'_>,
    dim: usize,
    x: &[f32],
    high: &mut [i8],
    low: &mut [i8],
    x_scale: &mut [f32],
    logits: &mut [f32],
) {
    let r = x_scale.len();
    let vocab_size = logits.len() / r;
    if let Table::I8 { .. } = table {
        let planes = high.chunks_exact_mut(dim).zip(low.chunks_exact_mut(dim));
        for ((x, (high, low)), scale) in x.chunks_exact(dim).zip(planes).zip(x_scale.iter_mut()) {
            *scale = kernels.quantise_i16(x, high, low);
        }
    }
    let (high, low, x_scale) = (&*high, &*low, &*x_scale);
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
                        &high[own.clone()],
                        &low[own],
                        x_scale[t],
                        out,
                    ),
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
