//! Fork-join over index ranges: the only way the runtime uses more than one core
//!
//! [`Parallel`] runs a closure over `0..n` cut into disjoint ranges; it is implemented by
//! [`Serial`], by the std thread pool and by bare-metal cores. The transformer never splits a
//! float reduction, so how the ranges fall changes no bit (design rule: float sums whole, integer
//! sums anywhere).
//!
//! The rest of this module hands each range its own piece of the outputs: [`for_each_row`] by row,
//! [`for_column_ranges`] and [`for_column_groups`] by columns of a row-major matrix,
//! [`for_ranges`] none but the worker's own. That split is the module's one unsafe idea.

#![expect(unsafe_code, reason = "labelled room: the disjoint row and column split of outputs")]

use core::marker::PhantomData;
use core::ops::Range;

/// A body that [`Parallel::run`] calls with a worker index and a range.
pub type Body<'f> = dyn Fn(usize, Range<usize>) + Sync + 'f;

/// Fork-join over `0..n`.
///
/// # Safety
/// An implementation of [`run`](Self::run) must call `body` with ranges that are pairwise disjoint
/// and lie in `0..n`, must never let two threads use the same worker index at the same time,
/// must keep every worker index below [`n_workers`](Self::n_workers), and must not return before
/// every call of `body` has returned, also when one of them panics.
pub unsafe trait Parallel: Sync {
    /// How many worker indices there are, at least 1.
    fn n_workers(&self) -> usize;

    /// Calls `body(worker, range)` until the ranges cover `0..n`. Ranges are multiples of `grain`
    /// long, but for the last. `body` must not call `run` again.
    fn run(&self, n: usize, grain: usize, body: &Body<'_>);
}

/// Everything on the calling thread, as worker 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Serial;

// SAFETY: one call covers 0..n on one thread as worker 0 and returns when it is done.
unsafe impl Parallel for Serial {
    fn n_workers(&self) -> usize {
        1
    }

    fn run(&self, n: usize, _grain: usize, body: &Body<'_>) {
        if n > 0 {
            body(0, 0..n);
        }
    }
}

/// Outputs that can be split by row: one exclusive piece per index.
///
/// # Safety
/// [`row`](Self::row) must return non-overlapping pieces for different indices.
pub unsafe trait Rows: Sync {
    /// The piece of one index.
    type Row;

    /// Number of indices.
    fn n_rows(&self) -> usize;

    /// The piece at index `i`.
    ///
    /// # Safety
    /// `i < n_rows()`, and the piece of index `i` is taken at most once in the life of `self`.
    unsafe fn row(&self, i: usize) -> Self::Row;
}

/// A matrix `[n_rows, stride]` whose rows go to different workers.
#[derive(Debug)]
pub struct RowsMut<'a, T> {
    base: *mut T,
    n_rows: usize,
    stride: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: a `RowsMut` is an exclusive borrow that is handed out row by row; `T: Send` lets the
// rows cross threads.
unsafe impl<T: Send> Sync for RowsMut<'_, T> {}

impl<'a, T> RowsMut<'a, T> {
    /// Splits `data` into rows of `stride` elements.
    ///
    /// # Panics
    /// If `stride` is 0 or does not divide the length.
    pub fn new(data: &'a mut [T], stride: usize) -> Self {
        assert!(stride > 0 && data.len().is_multiple_of(stride), "rows must tile the data");
        Self { base: data.as_mut_ptr(), n_rows: data.len() / stride, stride, borrow: PhantomData }
    }
}

// SAFETY: rows i and j start `stride` elements apart and are `stride` long, so they do not overlap.
unsafe impl<'a, T: Send> Rows for RowsMut<'a, T> {
    type Row = &'a mut [T];

    fn n_rows(&self) -> usize {
        self.n_rows
    }

    unsafe fn row(&self, i: usize) -> &'a mut [T] {
        // SAFETY: `i < n_rows` (caller), so the row lies inside the data borrowed for 'a; the
        // caller takes it once, so no other piece overlaps it.
        unsafe { core::slice::from_raw_parts_mut(self.base.add(i * self.stride), self.stride) }
    }
}

macro_rules! rows_tuple {
    ($($name:ident . $index:tt),*) => {
        // SAFETY: each member returns non-overlapping pieces, so the tuples do not overlap.
        unsafe impl<$($name: Rows),*> Rows for ($($name,)*) {
            type Row = ($($name::Row,)*);

            fn n_rows(&self) -> usize {
                let n = self.0.n_rows();
                $(assert!(self.$index.n_rows() == n, "outputs differ in their number of rows");)*
                n
            }

            unsafe fn row(&self, i: usize) -> Self::Row {
                // SAFETY: passed on from the caller; `n_rows` is equal for all members.
                unsafe { ($(self.$index.row(i),)*) }
            }
        }
    };
}
rows_tuple!(A.0, B.1);
rows_tuple!(A.0, B.1, C.2);

/// Scratch memory cut into one equal piece per worker.
struct PerWorker<'a, S> {
    base: *mut S,
    len: usize,
    n_workers: usize,
    borrow: PhantomData<&'a mut [S]>,
}

// SAFETY: an exclusive borrow handed out worker by worker; `S: Send` lets the pieces cross threads.
unsafe impl<S: Send> Sync for PerWorker<'_, S> {}

impl<'a, S> PerWorker<'a, S> {
    fn new(scratch: &'a mut [S], n_workers: usize) -> Self {
        assert!(scratch.len().is_multiple_of(n_workers), "scratch must split evenly between the workers");
        let len = scratch.len() / n_workers;
        Self { base: scratch.as_mut_ptr(), len, n_workers, borrow: PhantomData }
    }

    /// The piece of `worker`.
    ///
    /// # Safety
    /// No other piece of the same worker is alive.
    #[expect(clippy::mut_from_ref, reason = "exclusive by worker index, see the safety contract")]
    unsafe fn piece(&self, worker: usize) -> &mut [S] {
        assert!(worker < self.n_workers);
        // SAFETY: the piece lies inside the borrowed scratch (checked) and pieces of different
        // workers do not overlap; the caller holds no other piece of this worker.
        unsafe { core::slice::from_raw_parts_mut(self.base.add(worker * self.len), self.len) }
    }
}

/// Calls `body(i, row, scratch)` once for every row, on any worker.
///
/// `rows` are the outputs by index; `scratch` is cut evenly, one piece per worker (may be empty).
///
/// # Panics
/// If `scratch` does not split evenly between the workers.
pub fn for_each_row<R: Rows, S: Send>(
    parallel: &dyn Parallel,
    rows: R,
    scratch: &mut [S],
    body: impl Fn(usize, R::Row, &mut [S]) + Sync,
) {
    let n = rows.n_rows();
    let scratch = PerWorker::new(scratch, parallel.n_workers());
    parallel.run(n, 1, &|worker, range| {
        assert!(range.end <= n);
        for i in range {
            // SAFETY: `Parallel::run` covers 0..n with disjoint ranges and `rows` is consumed
            // here, so row `i` is taken once; a worker index is used by one thread at a time.
            let (row, own) = unsafe { (rows.row(i), scratch.piece(worker)) };
            body(i, row, own);
        }
    });
}

/// The columns `range` of every row of a row-major matrix, exclusively.
#[derive(Debug)]
pub struct ColumnRange<'r, T> {
    base: *mut T,
    m: usize,
    n: usize,
    range: Range<usize>,
    borrow: PhantomData<&'r mut [T]>,
}

impl<T> ColumnRange<'_, T> {
    /// The columns that this piece covers.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Columns `columns` (absolute, inside [`range`](Self::range)) of row `t`.
    ///
    /// # Panics
    /// If `t` or `columns` lie outside.
    pub fn segment(&mut self, t: usize, columns: Range<usize>) -> &mut [T] {
        assert!(t < self.m && self.range.start <= columns.start && columns.start <= columns.end);
        assert!(columns.end <= self.range.end);
        // SAFETY: row `t` and the columns lie inside the matrix (checked above and where the piece
        // was made), and only this piece, borrowed exclusively, covers them.
        unsafe { core::slice::from_raw_parts_mut(self.base.add(t * self.n + columns.start), columns.len()) }
    }
}

/// A matrix base that threads share; each touches its own columns only.
struct Shared<T>(*mut T);

// SAFETY: the pointer is used through disjoint `ColumnRange`s only; `T: Send` lets them cross threads.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn base(&self) -> *mut T {
        self.0
    }
}

/// Calls `body(columns, scratch)` over disjoint column ranges that cover `out: [len / n, n]`.
///
/// Ranges are multiples of `grain` columns, but for the last; `scratch` as in [`for_each_row`].
///
/// # Panics
/// If `n` is 0 or does not divide the length of `out`, or `scratch` does not split evenly.
pub fn for_column_ranges<T: Send, S: Send>(
    parallel: &dyn Parallel,
    grain: usize,
    out: &mut [T],
    n: usize,
    scratch: &mut [S],
    body: impl Fn(ColumnRange<'_, T>, &mut [S]) + Sync,
) {
    assert!(n > 0 && out.len().is_multiple_of(n), "columns must tile the output");
    let m = out.len() / n;
    let out = Shared(out.as_mut_ptr());
    let scratch = PerWorker::new(scratch, parallel.n_workers());
    parallel.run(n, grain, &|worker, range| {
        assert!(range.end <= n);
        // `Parallel::run` covers 0..n with disjoint ranges: no two pieces share a column.
        let columns = ColumnRange { base: out.base(), m, n, range, borrow: PhantomData };
        // SAFETY: a worker index is used by one thread at a time.
        let own = unsafe { scratch.piece(worker) };
        body(columns, own);
    });
}

/// Calls `body(group, columns, scratch)` over disjoint column ranges that cover `groups`, ranges of columns of
/// `out: [len / n, n]`. No range reaches into two groups.
///
/// Ranges start at multiples of `grain` from the first column of their group and are multiples of `grain` long, but for
/// the last of a group; `scratch` as in [`for_each_row`].
///
/// # Panics
/// If `n` is 0 or does not divide the length of `out`, `grain` is 0, the groups do not ascend within `n`, or `scratch`
/// does not split evenly.
pub fn for_column_groups<T: Send, S: Send>(
    parallel: &dyn Parallel,
    grain: usize,
    groups: &[Range<usize>],
    out: &mut [T],
    n: usize,
    scratch: &mut [S],
    body: impl Fn(usize, ColumnRange<'_, T>, &mut [S]) + Sync,
) {
    assert!(n > 0 && out.len().is_multiple_of(n) && grain > 0, "columns must tile the output");
    let (mut end, mut n_grains) = (0, 0);
    for group in groups {
        assert!(end <= group.start && group.start <= group.end, "groups of columns must ascend");
        end = group.end;
        n_grains += group.len().div_ceil(grain);
    }
    assert!(end <= n, "groups of columns end at {end} of {n}");
    let m = out.len() / n;
    let out = Shared(out.as_mut_ptr());
    let scratch = PerWorker::new(scratch, parallel.n_workers());
    parallel.run(n_grains, 1, &|worker, grains| {
        assert!(grains.end <= n_grains);
        // SAFETY: a worker index is used by one thread at a time.
        let own = unsafe { scratch.piece(worker) };
        let mut first_grain = 0;
        for (index, group) in groups.iter().enumerate() {
            let end_grain = first_grain + group.len().div_ceil(grain);
            let column = |g: usize| {
                group.end.min(group.start + (g.clamp(first_grain, end_grain) - first_grain) * grain)
            };
            let range = column(grains.start)..column(grains.end);
            if !range.is_empty() {
                // `Parallel::run` gives disjoint ranges of grains, each grain is columns of its own, and the groups do not
                // overlap (checked above): no two pieces share a column.
                let columns = ColumnRange { base: out.base(), m, n, range, borrow: PhantomData };
                body(index, columns, &mut *own);
            }
            first_grain = end_grain;
        }
    });
}

/// Calls `body(range, scratch)` over disjoint ranges that cover `0..n`, multiples of `grain` long but for the last.
///
/// A worker meets its own `scratch` (cut as in [`for_each_row`]) in every range it takes: sums in it go on.
///
/// # Panics
/// If `scratch` does not split evenly between the workers.
pub fn for_ranges<S: Send>(
    parallel: &dyn Parallel,
    n: usize,
    grain: usize,
    scratch: &mut [S],
    body: impl Fn(Range<usize>, &mut [S]) + Sync,
) {
    let scratch = PerWorker::new(scratch, parallel.n_workers());
    parallel.run(n, grain, &|worker, range| {
        // SAFETY: a worker index is used by one thread at a time.
        body(range, unsafe { scratch.piece(worker) });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn rows_and_columns_reach_every_element_once() {
        let mut data = vec![0u32; 12];
        let mut count = vec![0u32; 1];
        for_each_row(&Serial, RowsMut::new(&mut data, 4), &mut count, |i, row, count| {
            count[0] += 1;
            row.iter_mut().for_each(|v| *v += u32::try_from(i).unwrap() + 1);
        });
        assert_eq!(data, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
        assert_eq!(count, [3]);
        for_column_ranges(&Serial, 1, &mut data, 6, &mut [(); 0], |mut out, _| {
            for t in 0..2 {
                let range = out.range();
                out.segment(t, range).fill(9);
            }
        });
        assert!(data.iter().all(|v| *v == 9));
    }

    #[test]
    #[should_panic(expected = "columns.end <= self.range.end")]
    fn a_segment_outside_its_range_is_refused() {
        for_column_ranges(&Serial, 1, &mut [0u8; 12], 6, &mut [(); 0], |mut out, _| {
            out.segment(0, 0..7);
        });
    }

    /// Cuts every call in pieces of one grain, so that ranges end wherever they may.
    struct Pieces;

    // SAFETY: one call after the other on one thread, as worker 0, over disjoint ranges that cover 0..n.
    unsafe impl Parallel for Pieces {
        fn n_workers(&self) -> usize {
            1
        }

        fn run(&self, n: usize, grain: usize, body: &Body<'_>) {
            (0..n).step_by(grain).for_each(|start| body(0, start..n.min(start + grain)));
        }
    }

    #[test]
    fn groups_of_columns_are_cut_at_their_own_multiples() {
        let groups = [1..5, 5..5, 6..9];
        let mut data = vec![0u32; 20];
        let mut seen = vec![(0, 0..0); 8];
        for parallel in [&Serial as &dyn Parallel, &Pieces] {
            data.fill(0);
            for_column_groups(parallel, 3, &groups, &mut data, 10, &mut seen, |group, mut out, seen| {
                let range = out.range();
                let free = seen.iter().position(|s| s.1.is_empty()).unwrap();
                seen[free] = (group, range.clone());
                (0..2).for_each(|t| out.segment(t, range.clone()).iter_mut().for_each(|v| *v += 1));
            });
            for row in data.chunks(10) {
                assert_eq!(row, [0, 1, 1, 1, 1, 0, 1, 1, 1, 0]);
            }
        }
        assert_eq!(seen[..2], [(0, 1..5), (2, 6..9)]);
        assert_eq!(seen[2..5], [(0, 1..4), (0, 4..5), (2, 6..9)]);
    }

    #[test]
    fn sums_in_a_workers_scratch_go_on() {
        let mut sum = vec![0usize; 1];
        for_ranges(&Pieces, 10, 4, &mut sum, |range, sum| sum[0] = sum[0] * 100 + range.len());
        assert_eq!(sum, [4_04_02]);
    }
}
