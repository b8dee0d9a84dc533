//! Ternary GEMM with `SMLAL`.

use core::arch::aarch64::{vdupq_n_s16, vdupq_n_s32, vpadalq_s16};

use super::gemv_i8_i2::{gemv_i8_i2, multiply_add};
use crate::neon::gemm_i8_i2::{Sums, Trits, gemm};
use crate::neon::gemv_i8_i2::XBlock;
use crate::neon::load::Load;
use crate::neon::rows::ROWS;
use crate::neon::sum;

/// Blocks summed in int16 before widening: a lane takes eight products of at most `2 · 128` per block.
const GROUP: usize = 15;
const _: () = assert!(GROUP * 8 * (2 * 128) < 1 << 15);

#[target_feature(enable = "neon")]
pub(super) fn gemm_i8_i2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    if m == 1 {
        return gemv_i8_i2(w, n, k, x, out);
    }
    gemm(w, n, k, m, x, out, |trits, x| products(trits, x), |trits, x| products(trits, [x])[0]);
}

/// `Σ trit · x` of four rows and `T` tokens. With four the int16 accumulators take half the registers; the int32 ones
/// wait on the stack, touched once per group.
#[target_feature(enable = "neon")]
fn products<const T: usize>(trits: &[Trits], mut x: [&[XBlock]; T]) -> [Sums; T] {
    for x in &mut x {
        *x = &x[..trits.len()];
    }
    let mut acc = [[vdupq_n_s32(0); ROWS]; T];
    let mut first = 0;
    while first < trits.len() {
        let end = trits.len().min(first + GROUP);
        let mut group = [[vdupq_n_s16(0); ROWS]; T];
        for i in first..end {
            for plane in 0..4 {
                let w = trits[i][plane];
                for t in 0..T {
                    let x = x[t][i][plane].load();
                    for r in 0..ROWS {
                        group[t][r] = multiply_add(group[t][r], w[r], x);
                    }
                }
            }
        }
        for t in 0..T {
            for r in 0..ROWS {
                acc[t][r] = vpadalq_s16(acc[t][r], group[t][r]);
            }
        }
        first = end;
    }
    let mut sums = [[0; ROWS]; T];
    for t in 0..T {
        sums[t] = sum::across4(acc[t]);
    }
    sums
}
