//! Four rows of a matrix at once.

/// Rows that share the loads of activations.
pub(super) const ROWS: usize = 4;

/// Rows `4 tile` to `4 tile + 3` of `k` elements, `stride` apart. Past the last row, that row again: its sums are
/// dropped by the caller.
#[inline(always)]
pub(super) fn rows_of<T>(w: &[T], n: usize, k: usize, stride: usize, tile: usize) -> [&[T]; ROWS] {
    let row = |r: usize| &w[(tile * ROWS + r).min(n - 1) * stride..][..k];
    [row(0), row(1), row(2), row(3)]
}
