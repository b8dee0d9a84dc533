//! Ternary GEMM with `SDOT`.

use core::arch::aarch64::vdupq_n_s32;

use super::gemv_i8_i2::gemv_i8_i2;
use super::sdot::sdot;
use crate::neon::gemm_i8_i2::{Sums, Trits, gemm};
use crate::neon::gemv_i8_i2::XBlock;
use crate::neon::load::Load;
use crate::neon::rows::ROWS;
use crate::neon::sum;

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemm_i8_i2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    if m == 1 {
        return gemv_i8_i2(w, n, k, x, out);
    }
    gemm(w, n, k, m, x, out, |trits, x| products(trits, x), |trits, x| products(trits, [x])[0]);
}

/// `Σ trit · x` of four rows and `T` tokens: with four, 16 accumulators, 4 registers of weights and one of activations.
#[target_feature(enable = "neon,dotprod")]
fn products<const T: usize>(trits: &[Trits], mut x: [&[XBlock]; T]) -> [Sums; T] {
    for x in &mut x {
        *x = &x[..trits.len()];
    }
    let mut acc = [[vdupq_n_s32(0); ROWS]; T];
    for (i, trits) in trits.iter().enumerate() {
        for plane in 0..4 {
            let w = trits[plane];
            for t in 0..T {
                let x = x[t][i][plane].load();
                for r in 0..ROWS {
                    acc[t][r] = sdot(acc[t][r], w[r], x);
                }
            }
        }
    }
    let mut sums = [[0; ROWS]; T];
    for t in 0..T {
        sums[t] = sum::across4(acc[t]);
    }
    sums
}
