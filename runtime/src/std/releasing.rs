//! A fork-join that lets go of a model file's pages as it runs
//!
//! One pass of a large model through a small part of memory: weights are read once per pass, front to back, so pages
//! behind the reader are of no use to it. Slower than keeping them where there is room; results are the same.

#![expect(unsafe_code, reason = "labelled room: `Parallel` is an unsafe trait")]

use core::ops::Range;

use super::ModelFile;
use crate::parallel::{Body, Parallel};

/// Runs everything on another [`Parallel`] and releases the file's payload after each piece.
#[derive(Debug)]
pub struct Releasing<'a, P> {
    parallel: &'a P,
    file: &'a ModelFile,
    /// What may be released: the file from here on.
    start: usize,
}

impl<'a, P: Parallel> Releasing<'a, P> {
    /// Keeps the first `start` bytes of `file`.
    pub const fn new(parallel: &'a P, file: &'a ModelFile, start: usize) -> Self {
        Self { parallel, file, start }
    }
}

// SAFETY: ranges, workers and the time of return are those of the inner implementation.
unsafe impl<P: Parallel> Parallel for Releasing<'_, P> {
    fn n_workers(&self) -> usize {
        self.parallel.n_workers()
    }

    fn run(&self, n: usize, grain: usize, body: &Body<'_>) {
        self.parallel.run(n, grain, &|worker, range: Range<usize>| {
            body(worker, range);
            self.file.release(self.start..self.file.bytes().len());
        });
    }
}
