//! The exact `ReLU²` skip: when single rows and columns are read, and what was read
//!
//! Behind a squared ReLU most activations are zero, and what a zero multiplies need not be read: rows of `w_up` whose
//! gate is not above zero, columns of `w_down` whose int8 input is zero. The bits stay as they are (`transformer` says
//! why); only the order of memory accesses changes. Runs of some hundred bytes do not reach the speed of one long
//! stream, so a matrix with little to skip is read whole: [`SkipLimits`] says where that begins.

/// Up to which share of live rows and columns these are read one by one, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipLimits {
    /// Of the rows of `w_up`.
    pub rows_percent: u32,
    /// Of the columns of `w_down`.
    pub columns_percent: u32,
}

impl Default for SkipLimits {
    /// Rows: at 60 % live, runs of 640 bytes cost what the matrix costs as a whole (one Zen 4 core, AVX-512, shape of BitNet
    /// b1.58 2B4T, CPU time of whole tokens: 42.1 ms both ways). Columns, whose whole matrix costs more: at 39 % live a
    /// token took 36.3 ms instead of 42.1.
    fn default() -> Self {
        Self { rows_percent: 60, columns_percent: 70 }
    }
}

impl SkipLimits {
    /// Whether `n_live` of `n` rows are few enough.
    pub(crate) fn skips_rows(&self, n_live: usize, n: usize) -> bool {
        n_live as u64 * 100 <= u64::from(self.rows_percent) * n as u64
    }

    /// Whether `n_live` of `n` columns are few enough.
    pub(crate) fn skips_columns(&self, n_live: usize, n: usize) -> bool {
        n_live as u64 * 100 <= u64::from(self.columns_percent) * n as u64
    }
}

/// What one layer's passes of few rows found and read, since the session opened.
///
/// Counted in passes that look for zeros: with the skip on, of up to four rows. In a pass of several rows only what is
/// zero for all of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkipCounts {
    /// Passes counted.
    pub passes: u64,
    /// Gates at or below zero: rows of `w_up` that are of no use.
    pub zero_gates: u64,
    /// Int8 inputs of `w_down` that are zero: columns that are of no use.
    pub zero_inputs: u64,
    /// Bytes of `w_up` read, in whole cache lines of 64.
    pub up_bytes: u64,
    /// Bytes of `w_down` read, in whole cache lines of 64.
    pub down_bytes: u64,
}

/// Numbers of a layer in the arena, in the order of [`SkipCounts`].
pub(crate) const N_COUNTS: usize = 5;

impl SkipCounts {
    /// From the numbers in the arena.
    pub(crate) fn of(counts: &[u64]) -> Self {
        let &[passes, zero_gates, zero_inputs, up_bytes, down_bytes] = counts else {
            return Self::default();
        };
        Self { passes, zero_gates, zero_inputs, up_bytes, down_bytes }
    }

    /// Adds to the numbers in the arena.
    pub(crate) fn add_to(self, counts: &mut [u64]) {
        let own = [self.passes, self.zero_gates, self.zero_inputs, self.up_bytes, self.down_bytes];
        counts.iter_mut().zip(own).for_each(|(count, own)| *count += own);
    }
}

/// Lists the indices below `n` that `is_live`, ascending at the start of `list`; returns how many.
pub(crate) fn list_live(list: &mut [u32], n: usize, is_live: impl Fn(usize) -> bool) -> usize {
    let list = &mut list[..n];
    let mut n_live = 0;
    for (i, index) in (0..n).zip(0u32..) {
        // Written always and kept if live: no branch to mispredict. There is room, as `n_live <= i`.
        list[n_live] = index;
        n_live += usize::from(is_live(i));
    }
    n_live
}

/// Bytes of the cache lines that the runs of `run_bytes` with these indices touch, in a matrix at the start of a line.
pub(crate) fn bytes_in_lines(runs: &[u32], run_bytes: usize) -> u64 {
    const LINE: u64 = 64;
    let run_bytes = run_bytes as u64;
    if run_bytes.is_multiple_of(LINE) {
        return runs.len() as u64 * run_bytes;
    }
    let (mut n_lines, mut next_line) = (0, 0);
    for &run in runs {
        let start = u64::from(run) * run_bytes;
        let end_line = (start + run_bytes).div_ceil(LINE);
        n_lines += end_line - next_line.max(start / LINE);
        next_line = end_line;
    }
    n_lines * LINE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_indices_ascend_and_lines_are_counted_once() {
        let mut list = [9; 6];
        let n = list_live(&mut list, 5, |i| i % 2 == 0);
        assert_eq!(list[..n], [0, 2, 4]);
        assert_eq!(list_live(&mut list, 6, |_| true), 6);
        assert_eq!(list_live(&mut list, 6, |_| false), 0);
        assert_eq!(bytes_in_lines(&[1, 3], 640), 1280);
        // Runs of 80 bytes: 0..80 touches lines 0 and 1, 80..160 lines 1 and 2, 320..400 lines 5 and 6.
        assert_eq!(bytes_in_lines(&[0], 80), 128);
        assert_eq!(bytes_in_lines(&[0, 1], 80), 192);
        assert_eq!(bytes_in_lines(&[0, 4], 80), 256);
        assert_eq!(bytes_in_lines(&[1, 2], 16), 64);
        assert_eq!(bytes_in_lines(&[], 16), 0);
    }
}
