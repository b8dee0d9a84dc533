//! A column-major matrix, and the columns of it that are asked for.

use core::ops::Range;

use super::load::expect_aligned;
use super::ternary_rows::Packed;

/// A column-major matrix, and the part of it that is asked for.
pub(super) struct Columns<'a> {
    w: &'a [Packed],
    /// Vectors of a column.
    pub(super) packed: usize,
    pub(super) outputs: Range<usize>,
    pub(super) list: &'a [u32],
}

impl<'a> Columns<'a> {
    pub(super) fn new(w: &'a [u8], column_bytes: usize, outputs: Range<usize>, list: &'a [u32]) -> Self {
        let w = expect_aligned(w.as_chunks().0);
        Self { w, packed: column_bytes / size_of::<Packed>(), outputs, list }
    }

    /// Vectors `range` of the `i`th listed column; past the last, of that one.
    #[inline(always)]
    pub(super) fn part(&self, i: usize, range: Range<usize>) -> &'a [Packed] {
        let column = self.list[i.min(self.list.len() - 1)] as usize;
        &self.w[column * self.packed..][..self.packed][range]
    }
}
