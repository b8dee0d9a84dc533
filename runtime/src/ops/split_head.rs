//! The split LM head: all logits, or exactly the largest k from five eighths of the bytes
//!
//! The table's weights are `w = 8 h + l` (`ternlet_kernels::layout::i8_split`). With `S = Σ x` and `H = Σ (h + 16) x`
//! from the high plane alone, a row's sum `a = Σ w x` obeys
//!
//! ```text
//! 2 a = 16 H - 249 S + e      e = Σ (2 l - 7) x,      |e| <= |2 l - 7| · |x|      (Cauchy; both norms rounded up)
//! ```
//!
//! so `a` lies between two integers. Conversion to f32 and the two multiplications that make a logit of it are monotone,
//! and carry the interval over to logits: a row whose interval lies strictly below k logits that are known is not among
//! the largest k, whatever its low plane holds. [`largest`] reads the high plane, completes the k rows with the largest
//! middles, and then every row that their k-th logit does not exclude. What it returns does not depend on the split
//! between workers. Rows that could give a logit that is not finite are always completed, so such logits are found
//! exactly when [`logits`] finds them.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::i8_split::{HIGH_OFFSET, MAX_LOW_NORM, high_row_bytes, low_row_bytes};

use super::{ROW_GRAIN, tiles};
use crate::logit_key::{key_id, key_logit, sort_key};
use crate::model::SplitTable;
use crate::parallel::{Parallel, for_column_ranges};
use crate::plan::TILE_ROWS;

/// What is added to every high code.
const OFFSET: i64 = HIGH_OFFSET as i64;
/// The multiple of `S` in the middle of twice a row's interval: `-16 · 16 + 7`.
const MIDDLE: i64 = 16 * OFFSET - 7;

/// The inputs of the head, quantised to 16 bits in two planes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SplitInputs<'a> {
    /// `[r, k_padded(dim)]`, 16-byte aligned.
    pub(crate) high: &'a [i8],
    /// `[r, k_padded(dim)]`.
    pub(crate) low: &'a [i8],
    /// `[r]`.
    pub(crate) scale: &'a [f32],
    /// `[r, 2]`: the sum of x, and its norm rounded up.
    pub(crate) sums: &'a [i64],
}

/// One row of [`SplitInputs`].
#[derive(Debug, Clone, Copy)]
struct SplitInput<'a> {
    high: &'a [i8],
    low: &'a [i8],
    scale: f32,
    sum: i64,
    norm: i64,
}

impl<'a> SplitInputs<'a> {
    fn row(&self, t: usize) -> SplitInput<'a> {
        let padded = self.high.len() / self.scale.len();
        let own = t * padded..(t + 1) * padded;
        let (high, low) = (&self.high[own.clone()], &self.low[own]);
        SplitInput { high, low, scale: self.scale[t], sum: self.sums[2 * t], norm: self.sums[2 * t + 1] }
    }
}

/// Fills `sums: [r, 2]` of the inputs with planes `high`, `low`: `[r, k_padded(dim)]`.
pub(crate) fn sum_inputs(high: &[i8], low: &[i8], sums: &mut [i64]) {
    let padded = high.len() / (sums.len() / 2);
    let rows = high.chunks_exact(padded).zip(low.chunks_exact(padded));
    for ((high, low), sums) in rows.zip(sums.chunks_exact_mut(2)) {
        let x = high.iter().zip(low).map(|(high, low)| 256 * i64::from(*high) + i64::from(*low));
        let squares: i64 = x.clone().map(|x| x * x).sum();
        let root = squares.isqrt();
        sums[0] = x.sum();
        sums[1] = root + i64::from(root * root < squares);
    }
}

/// The logits of rows `first..first + out.len()`, at most `TILE_ROWS`, for row `t` of the inputs.
pub(crate) fn logits(
    kernels: &Kernels,
    table: &SplitTable<'_>,
    dim: usize,
    first: usize,
    inputs: &SplitInputs<'_>,
    t: usize,
    out: &mut [f32],
) {
    let (n, x) = (out.len(), inputs.row(t));
    let mut high = [0; TILE_ROWS];
    let bytes = &table.high[first * high_row_bytes(dim)..][..n * high_row_bytes(dim)];
    kernels.gemv_i16_u5(bytes, n, dim, x.high, x.low, &mut high[..n]);
    complete(kernels, table, dim, first, &x, |i| 8 * (high[i] - OFFSET * x.sum), out);
}

/// The logits of rows `first..`, at most `TILE_ROWS`, of whose sums the high plane's part is `high(i)`.
fn complete(
    kernels: &Kernels,
    table: &SplitTable<'_>,
    dim: usize,
    first: usize,
    x: &SplitInput<'_>,
    high: impl Fn(usize) -> i64,
    out: &mut [f32],
) {
    let n = out.len();
    let mut low = [0; TILE_ROWS];
    let bytes = &table.low[first * low_row_bytes(dim)..][..n * low_row_bytes(dim)];
    kernels.gemv_i16_u3(bytes, n, dim, x.high, x.low, &mut low[..n]);
    for (i, (out, row_scale)) in out.iter_mut().zip(&table.row_scale[first..]).enumerate() {
        *out = logit(high(i) + low[i], row_scale * x.scale);
    }
}

fn first_id(rows: &Range<usize>) -> u32 {
    u32::try_from(rows.start).expect("a vocabulary is at most 2^20")
}

/// What the int8 head makes of a sum.
fn logit(sum: i64, scale: f32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "the one rounding of the head's sums")]
    let sum = sum as f32;
    sum * scale
}

/// Exactly the `k` largest logits of every row of the inputs; equal ones with the lowest ids first.
///
/// | arg       | shape                    | meaning                                                       |
/// |-----------|--------------------------|---------------------------------------------------------------|
/// | `middles` | `[r, vocab_size]`        | scratch                                                       |
/// | `best`    | `[workers, at least rk]` | scratch                                                       |
/// | `logits`  | `[r, vocab_size]`        | completed rows: their logits, NaN for any that is not finite; others: negative infinity |
///
/// `k` is at least 1 and below `vocab_size`. Returns how many rows were completed. Two fork-joins.
pub(crate) fn largest(
    kernels: &Kernels,
    parallel: &dyn Parallel,
    table: &SplitTable<'_>,
    dim: usize,
    k: usize,
    inputs: &SplitInputs<'_>,
    middles: &mut [i64],
    best: &mut [u64],
    logits: &mut [f32],
) -> usize {
    let (r, vocab_size) = (inputs.scale.len(), table.row_scale.len());
    best.fill(u64::MAX);
    for_column_ranges(parallel, ROW_GRAIN, middles, vocab_size, best, |mut columns, best| {
        for tile in tiles(columns.range()) {
            let bytes = &table.high[tile.start * high_row_bytes(dim)..tile.end * high_row_bytes(dim)];
            for (t, best) in (0..r).zip(best.chunks_exact_mut(k)) {
                let x = inputs.row(t);
                let middles = columns.segment(t, tile.clone());
                kernels.gemv_i16_u5(bytes, tile.len(), dim, x.high, x.low, middles);
                let rows = middles.iter_mut().zip(&table.row_scale[tile.clone()]);
                for (id, (middle, row_scale)) in (first_id(&tile)..).zip(rows) {
                    *middle = 16 * *middle - MIDDLE * x.sum;
                    insert(best, sort_key(logit(*middle, *row_scale), id));
                }
            }
        }
    });
    let (chosen, others) = best.split_at_mut(best.len() / parallel.n_workers());
    for other in others.chunks_exact(chosen.len()) {
        for (chosen, other) in chosen.chunks_exact_mut(k).zip(other.chunks_exact(k)).take(r) {
            other.iter().for_each(|key| insert(chosen, *key));
        }
    }
    let middles = &*middles;
    for (t, chosen) in chosen.chunks_exact_mut(k).enumerate().take(r) {
        let x = inputs.row(t);
        for key in chosen.iter_mut() {
            let mut exact = [0.0];
            let row = key_id(*key) as usize;
            let middle = middles[t * vocab_size + row];
            complete(kernels, table, dim, row, &x, |_| (middle - 7 * x.sum) / 2, &mut exact);
            *key = sort_key(exact[0], key_id(*key));
        }
        chosen.sort_unstable();
    }
    let chosen = &*chosen;
    let n_completed = AtomicUsize::new(0);
    for_column_ranges(parallel, ROW_GRAIN, logits, vocab_size, &mut [(); 0], |mut columns, _| {
        let mut n = 0;
        for t in 0..r {
            let kth_best = key_logit(chosen[t * k + k - 1]);
            let x = inputs.row(t);
            for tile in tiles(columns.range()) {
                let middles = &middles[t * vocab_size..][tile.clone()];
                let out = columns.segment(t, tile.clone());
                n += complete_candidates(kernels, table, dim, tile.start, &x, kth_best, middles, out);
            }
        }
        n_completed.fetch_add(n, Ordering::Relaxed);
    });
    n_completed.into_inner()
}

/// Writes the logits of a tile of rows, negative infinity for those that `kth_best` excludes; returns how many are not.
fn complete_candidates(
    kernels: &Kernels,
    table: &SplitTable<'_>,
    dim: usize,
    first: usize,
    x: &SplitInput<'_>,
    kth_best: f32,
    middles: &[i64],
    out: &mut [f32],
) -> usize {
    let is_excluded = |i: usize| {
        let scale = table.row_scale[first + i] * x.scale;
        // A bound that no packer writes is a wrong answer at most.
        #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
        let norm = (table.bound[first + i] as i64).clamp(0, i64::from(MAX_LOW_NORM));
        let reach = norm * x.norm;
        // Twice the sum is even: the ends of its interval round inwards.
        let least = logit((middles[i] - reach + 1) >> 1, scale);
        let most = logit((middles[i] + reach) >> 1, scale);
        let below = |end: f32| end < kth_best && end > f32::NEG_INFINITY;
        below(least) && below(most)
    };
    let mut n_completed = 0;
    let mut i = 0;
    while i < out.len() {
        let start = i;
        if is_excluded(i) {
            out[i] = f32::NEG_INFINITY;
            i += 1;
            continue;
        }
        while i < out.len() && !is_excluded(i) {
            i += 1;
        }
        // Neighbours are read as one stream.
        let run = &mut out[start..i];
        let high = |row: usize| (middles[start + row] - 7 * x.sum) / 2;
        complete(kernels, table, dim, first + start, x, high, run);
        for logit in run.iter_mut().filter(|logit| !logit.is_finite()) {
            *logit = f32::NAN;
        }
        n_completed += run.len();
    }
    n_completed
}

/// Puts `key` in its place in the ascending list if it is among the best.
fn insert(best: &mut [u64], key: u64) {
    if best.last().is_some_and(|worst| key < *worst) {
        let place = best.partition_point(|other| *other < key);
        best[place..].rotate_right(1);
        best[place] = key;
    }
}
