//! The roof over all decoding: how fast this machine multiplies ternary weights that stay in its caches

use std::hint::black_box;
use std::time::Instant;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::TernaryLayout;
use ternlet_runtime::{Parallel, ThreadPool};

/// Rows of the matrix: with 2560 columns 40 KiB of `i2`, which stay in a second-level cache beside the tokens.
const N: usize = 64;
const K: usize = 2560;
/// Tokens: one batch of prefill.
const M: usize = 32;
/// Products that one thread computes in a turn: milliseconds, so that handing out turns costs nothing.
const PER_TURN: usize = 40;
/// Turns for each thread.
const TURNS: usize = 8;

/// Multiplications and additions a second, in 1e9, of all threads of `pool`.
pub(crate) fn gops(kernels: &'static Kernels, pool: &ThreadPool) -> f64 {
    let trits: Vec<i8> = (0..N * K).map(|i| [1, 0, -1, 1, -1, 0, 0][i * 5 % 7]).collect();
    let layout = TernaryLayout::I2;
    let mut weights = vec![0; layout.matrix_bytes(N, K)];
    for (row, packed) in trits.chunks_exact(K).zip(weights.chunks_exact_mut(layout.row_bytes(K))) {
        layout.pack(row, K, packed);
    }
    let tokens = aligned_tokens();
    let turns = pool.n_workers() * TURNS;
    let all = || {
        let start = Instant::now();
        pool.run(turns, 1, &|_, range| {
            let mut sums = vec![0; N * M];
            for _ in range {
                for _ in 0..PER_TURN {
                    kernels.gemm_i8(layout, black_box(&weights), N, K, M, tokens.slice(), &mut sums);
                }
                black_box(&sums);
            }
        });
        start.elapsed().as_secs_f64()
    };
    let fastest = (0..3).map(|_| all()).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "a figure of four digits")]
    let operations = (2 * N * K * M * PER_TURN * turns) as f64;
    operations / fastest / 1e9
}

/// Tokens that start where kernels want them.
struct Tokens {
    bytes: Vec<i8>,
    start: usize,
}

impl Tokens {
    fn slice(&self) -> &[i8] {
        &self.bytes[self.start..self.start + M * K]
    }
}

fn aligned_tokens() -> Tokens {
    const ALIGN: usize = 64;
    let mut bytes = vec![0_i8; M * K + ALIGN];
    let start = bytes.as_ptr().align_offset(ALIGN);
    for (byte, value) in bytes[start..].iter_mut().zip((-127..=127).cycle()) {
        *byte = value;
    }
    Tokens { bytes, start }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ternlet_kernels::CpuFeatures;

    #[test]
    fn every_backend_has_a_roof() {
        let pool = ThreadPool::new(2).unwrap();
        // The fastest alone: on others this would take long.
        let found = gops(Kernels::best(CpuFeatures::detect()), &pool);
        assert!(found > 0.01 && found < 1e6, "{found}");
    }
}
