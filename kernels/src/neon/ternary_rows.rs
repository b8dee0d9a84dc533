//! The frame of every ternary GEMV by rows: four rows at once, a whole matrix or a list of its rows.
//!
//! Four rows share the loads of activations and give a kernel four independent sums. They advance together, which to
//! the hardware looks like four short streams, so memory is asked for early: a kernel of the whole matrix asks for the
//! rows of the group after the next, byte for byte as it reads; of a list, the frame asks for the listed rows.

use super::load::{Aligned, expect_aligned, prefetch_lines};
use super::rows::ROWS;

/// Groups of rows between those that are read and those that are asked for.
const AHEAD: usize = 2;

/// A vector of packed weights.
pub(super) type Packed = Aligned<[u8; 16]>;
/// Sixteen activations.
pub(super) type X = Aligned<[i8; 16]>;

/// Four rows of packed weights.
pub(super) struct RowGroup<'w> {
    pub(super) rows: [&'w [Packed]; ROWS],
    /// Where to ask for as many bytes as the four rows have.
    pub(super) ahead: *const u8,
}

/// `dot_rows` sums the products of four rows of `row_bytes` bytes: those of the matrix in order, or if `LISTED` those of
/// the list. The last group may start before the one before it ends; of fewer than four rows, the last is given again.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemv<const LISTED: bool>(
    w: &[u8],
    row_bytes: usize,
    list: &[u32],
    x: &[i8],
    out: &mut [i32],
    dot_rows: impl Fn(RowGroup<'_>) -> [i32; ROWS],
) {
    let w = expect_aligned(w.as_chunks::<16>().0);
    let (n, len) = (out.len(), row_bytes / 16);
    let Some(last) = n.checked_sub(1) else { return };
    let later: [usize; ROWS] = core::array::from_fn(|r| r.min(last));
    let most = n.saturating_sub(ROWS);
    for group in (0..n).step_by(ROWS) {
        let first = group.min(most);
        let each = |first: usize| later.map(|r| if LISTED { list[first + r] as usize } else { first + r });
        let start = |row: usize| w.as_ptr().wrapping_add(row * len).cast::<u8>();
        let ahead = if LISTED {
            for row in each(most.min(first + AHEAD * ROWS)) {
                for line in (0..row_bytes).step_by(64) {
                    prefetch_lines::<1>(start(row).wrapping_add(line));
                }
            }
            // What the kernel asks for is there already.
            x.as_ptr().cast()
        } else {
            start(first + AHEAD * ROWS)
        };
        let rows = each(first).map(|row| &w[row * len..][..len]);
        let sums = dot_rows(RowGroup { rows, ahead });
        match out[first..].first_chunk_mut::<ROWS>() {
            Some(out) => *out = sums,
            None => out.copy_from_slice(&sums[..n]),
        }
    }
}

/// The activations in vectors.
#[inline]
pub(super) fn vectors(x: &[i8]) -> &[X] {
    expect_aligned(x.as_chunks::<16>().0)
}
