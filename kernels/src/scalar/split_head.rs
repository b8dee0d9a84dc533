//! The planes of the split head, one product at a time.

use crate::layout::i8_split::{
    BLOCK, HIGH_BLOCK_BYTES, LOW_BLOCK_BYTES, high_codes, high_row_bytes, low_codes, low_row_bytes,
};

pub(super) fn gemv_i16_u5(w: &[u8], _n: usize, k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    for (j, out) in out.iter_mut().enumerate() {
        let row = &w[j * high_row_bytes(k)..][..high_row_bytes(k)];
        *out = dot(row.as_chunks::<HIGH_BLOCK_BYTES>().0, x_high, x_low, high_codes);
    }
}

pub(super) fn gemv_i16_u3(w: &[u8], _n: usize, k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]) {
    for (j, out) in out.iter_mut().enumerate() {
        let row = &w[j * low_row_bytes(k)..][..low_row_bytes(k)];
        *out = dot(row.as_chunks::<LOW_BLOCK_BYTES>().0, x_high, x_low, low_codes);
    }
}

fn dot<T>(row: &[T], x_high: &[i8], x_low: &[i8], codes: impl Fn(&T, usize) -> [u8; 8]) -> i64 {
    let mut sum = 0;
    for ((block, high), low) in row.iter().zip(x_high.chunks_exact(BLOCK)).zip(x_low.chunks_exact(BLOCK)) {
        for t in 0..16 {
            for (q, code) in codes(block, t).into_iter().enumerate() {
                let x = 256 * i64::from(high[16 * q + t]) + i64::from(low[16 * q + t]);
                sum += i64::from(code) * x;
            }
        }
    }
    sum
}
