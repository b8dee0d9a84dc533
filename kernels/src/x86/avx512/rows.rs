//! A GEMV's walk over rows: one after another, so that the matrix is one stream in the order of memory.
//!
//! Lines are asked for [`AHEAD`]: 27 GB/s where a plain read has 27 to 29, against 12 to 16 without (Zen 4, one core).

use core::arch::x86_64::{__m512i, _mm512_setzero_si512};
use core::ops::Range;

use super::sum;

/// Rows whose lanes are summed together.
const ROWS: usize = 4;
/// Bytes ahead of the loads that are asked for, into the second-level cache: its queue holds more lines than that of
/// the first level, into which the same prefetch is no faster than none.
pub(super) const AHEAD: usize = 8192;

/// `out[i] += Σ dot(bytes, ahead) - offset`, with bytes `span` of row `row(i)` and what lies `ahead` bytes further to be
/// asked for. `row` is called beyond the last one too.
#[inline]
#[target_feature(enable = "avx2,avx512f")]
pub(super) fn add_rows(
    w: &[u8],
    row_bytes: usize,
    span: Range<usize>,
    row: impl Fn(usize) -> usize,
    offset: i32,
    out: &mut [i32],
    dot: impl Fn(&[u8], usize) -> __m512i,
) {
    let rows_ahead = AHEAD.div_ceil(row_bytes.max(1));
    for (tile, out) in out.chunks_mut(ROWS).enumerate() {
        let mut sums = [_mm512_setzero_si512(); ROWS];
        for r in 0..out.len() {
            let i = tile * ROWS + r;
            let start = row(i) * row_bytes;
            let ahead = (row(i + rows_ahead) * row_bytes).wrapping_sub(start);
            sums[r] = dot(&w[start + span.start..start + span.end], ahead);
        }
        for (out, sum) in out.iter_mut().zip(sum::across4(sums)) {
            *out += sum - offset;
        }
    }
}

/// Row `i` of a list, the last one beyond it.
#[inline]
pub(super) fn listed(rows: &[u32]) -> impl Fn(usize) -> usize {
    |i| rows[i.min(rows.len() - 1)] as usize
}
