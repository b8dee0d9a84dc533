//! Ternary linear layers: f32 rows to int8, exact int32 sums, f32 again
//!
//! Layers that read the same vector run in one fork-join. Either they share its int8 form, or each has an RMS norm of
//! its own over it ([`Linear::norm`]) and so an int8 form of its own: [`Inputs`] holds a plane for each form. Float
//! reductions stay whole; only output rows are split between workers.
//! Source: BitNet b1.58, arXiv:2402.17764 section 2.

use core::ops::Range;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::{TernaryLayout, i2};

use super::rms_norm;
use crate::model::{Linear, Ternary};
use crate::parallel::{ColumnRange, Parallel, RowsMut, for_column_groups, for_each_row};
use crate::plan::TILE_ROWS;

/// Queries, keys and values are the most layers that run in one fork-join.
const MAX_FUSED: usize = 3;

/// Rows that a worker's share is a multiple of: the tile of tl1, the widest there is.
const ROW_GRAIN: usize = 32;
const _: () = assert!(ROW_GRAIN.is_multiple_of(TernaryLayout::Tl1.tile_rows()));
const _: () = assert!(TILE_ROWS.is_multiple_of(ROW_GRAIN));

/// Tokens and rows of a GEMM's sums that are turned together: cache lines of both, 4 KiB of stack. The outputs of a token
/// are then written by vectors, lines in a row; written one by one, a few lines that miss the cache fill a store buffer.
const TURNED_TOKENS: usize = 16;
const TURNED_ROWS: usize = 64;

/// Listed rows that a worker's share is a multiple of: kernels work on up to eight at once.
const LIST_GRAIN: usize = 8;

/// Listed rows that several tokens share: 16 rows of 2560 weights are at most 10 KiB, which stay in L1 beside the inputs.
const LIST_TILE: usize = 16;

/// The int8 inputs of the linear layers at hand.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    /// `[planes, m, padded k]`.
    pub(crate) xq: &'a mut [i8],
    /// Their scales, `[planes, m]`.
    pub(crate) x_scale: &'a mut [f32],
    /// What a plane is quantised from, `[m, k]`; empty in models whose linear layers have no norms.
    pub(crate) normed: &'a mut [f32],
}

impl Inputs<'_> {
    /// The int8 rows and scales that layer `i` of a group reads: the common ones, or its own.
    pub(crate) fn of(&self, i: usize, linear: &Linear<'_>, m: usize) -> (&[i8], &[f32]) {
        let plane = if linear.norm.is_some() { i } else { 0 };
        let len = m * i2::k_padded(linear.weight.k);
        (&self.xq[plane * len..(plane + 1) * len], &self.x_scale[plane * m..(plane + 1) * m])
    }
}

/// An RMS norm: its weights, `[k]`, and what it adds to the mean square.
pub(crate) type Norm<'a> = (&'a [f32], f32);

/// Fills `inputs` with what `linears` read: `quantise(norm(x))`, or `quantise(own_norm(norm(x)))` for each.
///
/// | arg          | shape    | meaning                                           |
/// |--------------|----------|---------------------------------------------------|
/// | `m`          |          | rows                                              |
/// | `x`          | `[m, k]` | read by all `linears`                             |
/// | `norm`       | `[k]`    | the block's norm; `None` takes `x` as it is       |
/// | `norm_out`   | `[m, k]` | scratch: the block's norm's output                |
/// | `linear_eps` |          | of the layers' own norms, if they have them       |
pub(crate) fn quantise_inputs(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    m: usize,
    x: &[f32],
    norm: Option<Norm<'_>>,
    norm_out: &mut [f32],
    linears: &[Linear<'_>],
    linear_eps: f32,
    inputs: &mut Inputs<'_>,
) {
    let k = linears[0].weight.k;
    let padded = i2::k_padded(k);
    let x = &x[..m * k];
    let norm_out = &mut norm_out[..m * k];
    if linears[0].norm.is_none() {
        let (xq, x_scale) = (&mut inputs.xq[..m * padded], &mut inputs.x_scale[..m]);
        match norm {
            Some(norm) => norm_quantise(kernels, parallel, x, norm, norm_out, xq, x_scale),
            None => quantise(kernels, parallel, x, xq, x_scale),
        }
        return;
    }
    let h = match norm {
        Some((weight, eps)) => {
            for_each_row(parallel, RowsMut::new(norm_out, k), &mut [(); 0], |t, normed, _| {
                rms_norm(kernels, &x[t * k..(t + 1) * k], weight, eps, normed);
            });
            norm_out
        }
        None => x,
    };
    let planes = inputs.xq.chunks_exact_mut(m * padded).zip(inputs.x_scale.chunks_exact_mut(m));
    for (weight, (xq, x_scale)) in linears.iter().filter_map(|linear| linear.norm).zip(planes) {
        let normed = &mut inputs.normed[..m * k];
        norm_quantise(kernels, parallel, h, (weight, linear_eps), normed, xq, x_scale);
    }
}

/// `xq, x_scale = quantise(rms_norm(x))` for rows of `x: [m, k]`.
///
/// `norm_out` holds the normalised rows `[m, k]` on the way.
fn norm_quantise(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    x: &[f32],
    (weight, eps): Norm<'_>,
    norm_out: &mut [f32],
    xq: &mut [i8],
    x_scale: &mut [f32],
) {
    let k = weight.len();
    let outputs = (RowsMut::new(norm_out, k), RowsMut::new(xq, i2::k_padded(k)), RowsMut::new(x_scale, 1));
    for_each_row(parallel, outputs, &mut [(); 0], |t, (normed, xq, x_scale), _| {
        rms_norm(kernels, &x[t * k..(t + 1) * k], weight, eps, normed);
        x_scale[0] = kernels.quantise_i8(normed, xq);
    });
}

/// `xq, x_scale = quantise(x)` for rows of `x: [m, k]`.
fn quantise(kernels: &Kernels, parallel: &dyn Parallel, x: &[f32], xq: &mut [i8], x_scale: &mut [f32]) {
    let m = x_scale.len();
    let (k, padded) = (x.len() / m, xq.len() / m);
    let outputs = (RowsMut::new(xq, padded), RowsMut::new(x_scale, 1));
    for_each_row(parallel, outputs, &mut [(); 0], |t, (xq, x_scale), _| {
        x_scale[0] = kernels.quantise_i8(&x[t * k..(t + 1) * k], xq);
    });
}

/// Linear layers that read the same vector, outputs side by side.
///
/// | arg       | shape                        | meaning                                            |
/// |-----------|------------------------------|----------------------------------------------------|
/// | `linears` | each `[n_i, k]`, row-major   | `n = Σ n_i`                                        |
/// | `part`    |                              | those to compute; the others' columns stay as they are |
/// | `inputs`  |                              | filled by [`quantise_inputs`] for all `linears`    |
/// | `out`     | `[m, n]`                     | `(acc as f32) * (w_scale * x_scale)`               |
/// | `acc`     | `[workers, TILE, max_batch]` | scratch                                            |
///
/// One fork-join in all.
pub(crate) fn linear(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    linears: &[Linear<'_>],
    part: Range<usize>,
    inputs: &Inputs<'_>,
    out: &mut [f32],
    acc: &mut [i32],
) {
    let mut groups = [const { 0..0 }; MAX_FUSED];
    let n = place(linears, &mut groups);
    let m = out.len() / n;
    let groups = &groups[part.clone()];
    for_column_groups(parallel, ROW_GRAIN, groups, out, n, acc, |group, mut columns, acc| {
        let (i, first_column) = (part.start + group, groups[group].start);
        let (xq, x_scale) = inputs.of(i, &linears[i], m);
        let rows = columns.range().start - first_column..columns.range().end - first_column;
        // Kernels arrange the inputs once a call: for few tokens, whose sums take little room, a tile is long.
        let tile_rows = (acc.len() / m / ROW_GRAIN * ROW_GRAIN).max(ROW_GRAIN);
        for start in rows.clone().step_by(tile_rows) {
            let tile = start..rows.end.min(start + tile_rows);
            linear_tile(kernels, &linears[i].weight, tile, first_column, xq, x_scale, &mut columns, acc);
        }
    });
}

/// Some rows of layer `i` of `linears`: `out[t, first + j]` is what [`linear`] gives in `out[t, first + rows[j]]`, where
/// `first` is the first column of the layer.
///
/// The layer's rows must lie one by one ([`TernaryLayout::tile_rows`] 1), and
/// `rows` ascend. A tile of rows is read from memory for the first token and from L1 for the others.
pub(crate) fn linear_rows(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    linears: &[Linear<'_>],
    i: usize,
    rows: &[u32],
    inputs: &Inputs<'_>,
    out: &mut [f32],
    acc: &mut [i32],
) {
    let mut groups = [const { 0..0 }; MAX_FUSED];
    let n = place(linears, &mut groups);
    let m = out.len() / n;
    let w = &linears[i].weight;
    let (xq, x_scale) = inputs.of(i, &linears[i], m);
    let padded = xq.len() / m;
    let first_column = groups[i].start;
    let group = first_column..first_column + rows.len();
    for_column_groups(parallel, LIST_GRAIN, &[group], out, n, acc, |_, mut columns, acc| {
        let range = columns.range();
        let tile_len = if m == 1 { acc.len() } else { acc.len().min(LIST_TILE) };
        for start in range.clone().step_by(tile_len) {
            let end = range.end.min(start + tile_len);
            let rows = &rows[start - first_column..end - first_column];
            let acc = &mut acc[..rows.len()];
            for (t, &x_scale) in x_scale.iter().enumerate() {
                let xq = &xq[t * padded..(t + 1) * padded];
                kernels.gemv_rows_i8(w.layout, w.bytes, w.n, w.k, rows, xq, acc);
                kernels.rescale(acc, w.scale * x_scale, columns.segment(t, start..end));
            }
        }
    });
}

/// The columns of each layer's outputs, side by side; returns their number.
fn place(linears: &[Linear<'_>], groups: &mut [Range<usize>; MAX_FUSED]) -> usize {
    let mut n = 0;
    for (linear, group) in linears.iter().zip(groups) {
        *group = n..n + linear.weight.n;
        n = group.end;
    }
    n
}

/// Rows `tile` of `w` for all tokens, scaled into columns `first_column + tile`.
fn linear_tile(
    kernels: &Kernels,
    w: &Ternary<'_>,
    tile: Range<usize>,
    first_column: usize,
    xq: &[i8],
    x_scale: &[f32],
    columns: &mut ColumnRange<'_, f32>,
    acc: &mut [i32],
) {
    let (m, n) = (x_scale.len(), tile.len());
    // A tile starts at a multiple of the layout's own, and ends at one or where the matrix does.
    let bytes = &w.bytes[w.layout.matrix_bytes(tile.start, w.k)..w.layout.matrix_bytes(tile.end, w.k)];
    let out = first_column + tile.start..first_column + tile.end;
    let acc = &mut acc[..n * m];
    if m == 1 {
        kernels.gemv_i8(w.layout, bytes, n, w.k, xq, acc);
        kernels.rescale(acc, w.scale * x_scale[0], columns.segment(0, out));
        return;
    }
    kernels.gemm_i8(w.layout, bytes, n, w.k, m, xq, acc);
    // Sums of a token are a row apart.
    let mut turned = [[0; TURNED_ROWS]; TURNED_TOKENS];
    for (first, acc) in out.step_by(TURNED_ROWS).zip(acc.chunks(TURNED_ROWS * m)) {
        let columns_of_tile = first..first + acc.len() / m;
        for (i, scales) in x_scale.chunks(TURNED_TOKENS).enumerate() {
            for (j, row) in acc.chunks_exact(m).enumerate() {
                for (turned, sum) in turned.iter_mut().zip(&row[i * TURNED_TOKENS..][..scales.len()]) {
                    turned[j] = *sum;
                }
            }
            for (t, (x_scale, turned)) in scales.iter().zip(&turned).enumerate() {
                let out = columns.segment(i * TURNED_TOKENS + t, columns_of_tile.clone());
                kernels.rescale(&turned[..out.len()], w.scale * x_scale, out);
            }
        }
    }
}
