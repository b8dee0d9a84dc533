//! Ternary products, one weight at a time.

use crate::layout::i2::{BLOCK, BLOCK_BYTES, decode_byte, k_padded, row_bytes};

pub(super) fn gemv_i8_i2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    gemm_i8_i2(w, n, k, 1, x, out);
}

pub(super) fn gemm_i8_i2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    for j in 0..n {
        let row = &w[j * row_bytes(k)..][..row_bytes(k)];
        for t in 0..m {
            out[j * m + t] = dot(row, &x[t * k_padded(k)..][..k_padded(k)]);
        }
    }
}

fn dot(row: &[u8], x: &[i8]) -> i32 {
    let mut sum = 0;
    for (bytes, x) in row.chunks_exact(BLOCK_BYTES).zip(x.chunks_exact(BLOCK)) {
        for (j, byte) in bytes.iter().enumerate() {
            for (plane, weight) in decode_byte(*byte).into_iter().enumerate() {
                sum += i32::from(weight) * i32::from(x[plane * BLOCK_BYTES + j]);
            }
        }
    }
    sum
}
