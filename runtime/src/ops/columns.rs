//! A ternary linear layer whose columns lie together: only listed inputs are read
//!
//! What an input of zero would add to an integer sum is zero, so leaving its column out is exact. For few tokens the
//! columns are split between workers: no run of memory is cut, each worker sums into int32 of its own, and the sums are
//! added at the end. For many tokens the outputs are split, a whole cache line of each column at a time, and sums that
//! need not be joined take `tokens × tile` instead of `tokens × outputs` for each worker.

use core::slice;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::TernaryLayout;

use super::linear::Inputs;
use crate::model::Linear;
use crate::parallel::{Parallel, for_column_groups, for_ranges};

/// Tokens of a pass up to which workers share columns: four times 2560 sums are 40 KiB for each worker.
pub(crate) const MAX_JOINED_ROWS: usize = 4;

/// Columns that a worker's share is a multiple of: dot products take four at once.
const COLUMN_GRAIN: usize = 16;

/// Bytes of a column that come into the cache together.
const LINE_BYTES: usize = 64;

/// Outputs of a tile: whole blocks that fill at least a cache line of each column.
pub(crate) const fn outputs_per_tile(layout: TernaryLayout) -> usize {
    let block = layout.block();
    LINE_BYTES.div_ceil(layout.row_bytes(block)) * block
}

/// `out[t, j] = (Σᵢ w[j, i] · x[t, i] as f32) * (w_scale * x_scale[t])`, with `i` from `columns` alone.
///
/// | arg       | shape                  | meaning                                                             |
/// |-----------|------------------------|---------------------------------------------------------------------|
/// | `linear`  | `[n, k]`, column-major |                                                                     |
/// | `inputs`  | `[m, padded k]`        | filled for this layer alone                                         |
/// | `columns` |                        | ascending, below k: all whose input is not 0 for some token         |
/// | `out`     | `[m, n]`               |                                                                     |
/// | `acc`     | `[workers, ..]`        | scratch, `m · n` each up to [`MAX_JOINED_ROWS`], else `m · tile`    |
///
/// One fork-join.
pub(crate) fn linear_columns(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    linear: &Linear<'_>,
    inputs: &Inputs<'_>,
    columns: &[u32],
    out: &mut [f32],
    acc: &mut [i32],
) {
    let w = &linear.weight;
    let (n, k) = (w.n, w.k);
    let m = out.len() / n;
    let (xq, x_scale) = inputs.of(0, linear, m);
    if m > MAX_JOINED_ROWS {
        for_column_groups(
            parallel,
            outputs_per_tile(w.layout),
            slice::from_ref(&(0..n)),
            out,
            n,
            acc,
            |_, mut outputs, acc| {
                let range = outputs.range();
                for start in range.clone().step_by(outputs_per_tile(w.layout)) {
                    let tile = start..range.end.min(start + outputs_per_tile(w.layout));
                    let acc = &mut acc[..m * tile.len()];
                    acc.fill(0);
                    kernels.gemm_columns_i8(w.layout, w.bytes, n, k, tile.clone(), columns, m, xq, acc);
                    for (t, acc) in acc.chunks_exact(tile.len()).enumerate() {
                        kernels.rescale(acc, w.scale * x_scale[t], outputs.segment(t, tile.clone()));
                    }
                }
            },
        );
        return;
    }
    let per_worker = acc.len() / parallel.n_workers();
    acc.chunks_exact_mut(per_worker).for_each(|acc| acc[..m * n].fill(0));
    for_ranges(parallel, columns.len(), COLUMN_GRAIN, acc, |range, acc| {
        kernels.gemm_columns_i8(w.layout, w.bytes, n, k, 0..n, &columns[range], m, xq, &mut acc[..m * n]);
    });
    let (sums, others) = acc.split_at_mut(per_worker);
    for other in others.chunks_exact(per_worker) {
        sums[..m * n].iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
    }
    for ((sums, out), x_scale) in sums.chunks_exact(n).zip(out.chunks_exact_mut(n)).zip(x_scale) {
        kernels.rescale(sums, w.scale * x_scale, out);
    }
}
