//! Ternary matrices, packed by several threads ahead of the writer
//!
//! The mean of a matrix is one sum in file order, which no two threads can share; but different matrices can be packed
//! at once. They come out in the order of the file, so its bytes do not depend on the number of threads.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, available_parallelism};

use ternlet_kernels::layout::i2;
use ternlet_runtime::format::ExpectedTensor;

use super::convert::from_i2_rows;
use super::layouts::Layouts;
use super::source::Source;
use crate::error::Error;

/// More threads than this wait for the disk, and each holds a matrix in memory.
const MAX_THREADS: usize = 4;

/// A packed matrix.
#[derive(Debug)]
pub(super) struct Matrix {
    /// The factor of every trit.
    pub(super) scale: f32,
    /// As it goes into the file.
    pub(super) bytes: Vec<u8>,
}

/// The matrices in order.
#[derive(Debug)]
pub(super) struct TernaryAhead {
    /// One for each thread; matrix `i` comes from thread `i mod n`.
    threads: Vec<Receiver<Result<Matrix, Error>>>,
    next: usize,
}

impl TernaryAhead {
    /// The next matrix.
    ///
    /// # Errors
    /// Weights or a scale that cannot be packed.
    pub(super) fn next(&mut self) -> Result<Matrix, Error> {
        let thread = self.next % self.threads.len();
        self.next += 1;
        let ended = |_| Err(Error::new("pack", "expected another matrix, found that its thread has ended"));
        self.threads[thread].recv().unwrap_or_else(ended)
    }
}

/// Packs `tensors` of `source` in `layouts` on threads of their own while `body` takes them.
///
/// # Errors
/// A system that refuses threads, and what `body` returns.
pub(super) fn with_ternary_ahead<R>(
    source: &dyn Source,
    tensors: &[ExpectedTensor],
    layouts: &Layouts,
    body: impl FnOnce(TernaryAhead) -> Result<R, Error>,
) -> Result<R, Error> {
    let cores = available_parallelism().map_or(1, usize::from);
    let n = cores.min(MAX_THREADS).min(tensors.len().max(1));
    thread::scope(|scope| {
        let mut ahead = TernaryAhead { threads: Vec::new(), next: 0 };
        for first in 0..n {
            // Without room in the channel: a thread holds one finished matrix and starts no other before it is taken.
            let (sender, receiver) = sync_channel(0);
            let pack_its_share = move || {
                for tensor in tensors.iter().skip(first).step_by(n) {
                    let matrix = pack_matrix(source, tensor, layouts);
                    source.release(tensor);
                    // Nobody takes it any more: the writer failed.
                    if sender.send(matrix).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().spawn_scoped(scope, pack_its_share).map_err(|e| {
                Error::new("threads", format!("expected {n}, the system refused one: {e}"))
                    .hint("end other programs, or raise the limit on threads")
            })?;
            ahead.threads.push(receiver);
        }
        body(ahead)
    })
}

fn pack_matrix(source: &dyn Source, tensor: &ExpectedTensor, layouts: &Layouts) -> Result<Matrix, Error> {
    let index = |value: u64| usize::try_from(value).expect("at most MAX_DIM");
    let mut stored = source.ternary(tensor)?;
    let (n, k) = (index(tensor.n), index(tensor.k));
    let row_bytes = i2::row_bytes(k);
    let mut rows = vec![0; row_bytes * n];
    for (row, packed) in rows.chunks_exact_mut(row_bytes).enumerate() {
        stored.pack_row(row, packed)?;
    }
    let placement = layouts.of(tensor.role, source.config().hidden_act);
    let bytes = from_i2_rows(rows.into(), n, k, placement).into_owned();
    Ok(Matrix { scale: stored.scale(), bytes })
}
