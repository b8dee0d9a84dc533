//! The frame of both int8 heads: rows four at a time, whole steps by vector, the tail by element, one rounding.

use super::load::{Aligned, aligned};
use super::rows::{ROWS, rows_of};

/// Elements of a step: one register of int8.
pub(super) const STEP: usize = 16;
/// Rows ahead of the loads that are asked for, in the order of memory.
pub(super) const AHEAD: usize = ROWS;

/// A step at its element's alignment.
pub(super) type Natural = [i8; STEP];

/// `dot_aligned` and `dot_natural` sum `w · (256 high + low)` over whole steps, for memory on 16-byte boundaries and
/// for memory that is not.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemv(
    w: &[i8],
    row_scale: &[f32],
    n: usize,
    k: usize,
    x_high: &[i8],
    x_low: &[i8],
    x_scale: f32,
    out: &mut [f32],
    dot_aligned: impl Fn([&[Aligned<Natural>]; ROWS], &[Aligned<Natural>], &[Aligned<Natural>]) -> [i64; ROWS],
    dot_natural: impl Fn([&[Natural]; ROWS], &[Natural], &[Natural]) -> [i64; ROWS],
) {
    let (high, high_tail) = x_high.as_chunks::<STEP>();
    let (low, low_tail) = x_low.as_chunks::<STEP>();
    for (tile, (out, row_scale)) in out.chunks_mut(ROWS).zip(row_scale.chunks(ROWS)).enumerate() {
        let rows = rows_of(w, n, k, k, tile);
        let steps = |r: usize| rows[r].as_chunks::<STEP>().0;
        let natural = [steps(0), steps(1), steps(2), steps(3)];
        let [a, b, c, d] = natural;
        let mut sums = match (aligned(a), aligned(b), aligned(c), aligned(d), aligned(high), aligned(low)) {
            (Some(a), Some(b), Some(c), Some(d), Some(high), Some(low)) => {
                dot_aligned([a, b, c, d], high, low)
            }
            _ => dot_natural(natural, high, low),
        };
        for r in 0..ROWS {
            for ((w, high), low) in rows[r][high.len() * STEP..].iter().zip(high_tail).zip(low_tail) {
                sums[r] += i64::from(*w) * (256 * i64::from(*high) + i64::from(*low));
            }
        }
        for ((out, row_scale), sum) in out.iter_mut().zip(row_scale).zip(sums) {
            *out = sum as f32 * (row_scale * x_scale);
        }
    }
}
