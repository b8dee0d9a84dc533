//! The split head's high plane with `VPDPBUSD`: unsigned codes × the two signed planes of x.

use core::arch::x86_64::{_mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_setzero_si512};

use super::five_bits::codes;
use super::rows::AHEAD;
use super::{load, sum};
use crate::layout::i8_split::{BLOCK, HIGH_BLOCK_BYTES, high_row_bytes};
use crate::shape::MAX_K;

/// The largest sum of a lane: four products of at most `31 · 128` from each register of a row.
const _: () = assert!((MAX_K / 64) as u64 * (4 * 31 * 128) < 1 << 31);

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemv_i16_u5(w: &[u8], _n: usize, k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    let (high, low) = (x_high.as_chunks::<BLOCK>().0, x_low.as_chunks::<BLOCK>().0);
    for (j, out) in out.iter_mut().enumerate() {
        let row = w[j * high_row_bytes(k)..][..high_row_bytes(k)].as_chunks::<HIGH_BLOCK_BYTES>().0;
        let mut sums = [[_mm512_setzero_si512(); 2]; 2];
        for ((block, high), low) in row.iter().zip(high).zip(low) {
            // A block is a line and a quarter: the lines of the two ends are asked for.
            load::prefetch_after(block, AHEAD);
            load::prefetch_after(block, AHEAD + 64);
            let halves = codes(block).into_iter().zip(high.as_chunks().0).zip(low.as_chunks().0);
            for (sums, ((codes, high), low)) in sums.iter_mut().zip(halves) {
                sums[0] = _mm512_dpbusd_epi32(sums[0], codes, load::i8x64(high));
                sums[1] = _mm512_dpbusd_epi32(sums[1], codes, load::i8x64(low));
            }
        }
        let [[a, b], [c, d]] = sums;
        *out = 256 * sum::across_wide(_mm512_add_epi32(a, c)) + sum::across_wide(_mm512_add_epi32(b, d));
    }
}
