//! A plain read of the model's own bytes: what memory gives these threads at this moment
//!
//! Each thread adds up 8-byte words of whole megabytes. Nothing is decoded and nothing waits, so a decoder that reads as
//! fast is at memory's limit. The best of a few passes counts: neighbours can only slow a read down.

use std::hint::black_box;
use std::time::Instant;

use ternlet_runtime::{Model, Parallel, ThreadPool};

/// Bytes that one thread reads in one piece: large beside a page, small beside a thread's share of a model.
const PIECE_BYTES: usize = 1 << 20;
/// Passes over the bytes; the best counts.
const N_PASSES: u32 = 4;

/// Bytes per second of reading every tensor of `model`, in 1e9.
pub(crate) fn read_gb_per_s(model: &Model<'_>, pool: &ThreadPool) -> f64 {
    let n_tensors = u32::try_from(model.tensors().count()).expect("a directory has few entries");
    let pieces: Vec<&[u8]> =
        (0..n_tensors).flat_map(|index| model.tensor(index).1.chunks(PIECE_BYTES)).collect();
    gb_per_s(&pieces, pool)
}

fn gb_per_s(pieces: &[&[u8]], pool: &ThreadPool) -> f64 {
    let n_bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    let pass = || {
        let start = Instant::now();
        pool.run(pieces.len(), 1, &|_, range| {
            for piece in &pieces[range] {
                black_box(sum(piece));
            }
        });
        start.elapsed().as_secs_f64()
    };
    let fastest = (0..N_PASSES).map(|_| pass()).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "a figure of four digits")]
    let gigabytes = n_bytes as f64 / 1e9;
    gigabytes / fastest
}

/// The sum of all whole words; sixteen accumulators, so that no load waits for an addition.
fn sum(bytes: &[u8]) -> u64 {
    let mut sums = [0_u64; 16];
    for block in bytes.as_chunks::<128>().0 {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks().0) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    sums.into_iter().fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read() {
        let mut bytes = vec![0; 3 * 128];
        for at in 0..bytes.len() {
            bytes[at] = 1;
            assert_ne!(sum(&bytes), 0, "byte {at}");
            bytes[at] = 0;
        }
    }

    #[test]
    fn a_read_takes_time() {
        let bytes = vec![1; 3 * PIECE_BYTES];
        let pieces: Vec<&[u8]> = bytes.chunks(PIECE_BYTES).collect();
        let speed = gb_per_s(&pieces, &ThreadPool::new(2).unwrap());
        assert!(speed > 0.001 && speed < 10_000.0, "{speed}");
    }
}
