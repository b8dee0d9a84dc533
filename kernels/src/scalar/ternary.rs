//! Ternary products, one weight at a time.

use core::ops::Range;

use crate::layout::TernaryLayout::{self, I2, T5, Tl1, Tl2};
use crate::layout::i2::k_padded;
use crate::layout::tl1;

/// Names the products of one layout.
macro_rules! products {
    ($layout:expr, $gemm:ident: $gemm_of:ident, $gemv:ident) => {
        pub(super) fn $gemv(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
            $gemm(w, n, k, 1, x, out);
        }

        pub(super) fn $gemm(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
            $gemm_of($layout, w, n, k, m, x, out);
        }
    };
    ($layout:expr, $gemm:ident: $gemm_of:ident, $gemv:ident, $gemv_rows:ident, $gemm_columns:ident) => {
        products!($layout, $gemm: $gemm_of, $gemv);

        pub(super) fn $gemv_rows(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
            for (out, row) in out.iter_mut().zip(rows) {
                *out = dot($layout, row_of($layout, w, k, *row as usize), k, x);
            }
        }

        pub(super) fn $gemm_columns(
            w: &[u8],
            n: usize,
            k: usize,
            outputs: Range<usize>,
            columns: &[u32],
            m: usize,
            x: &[i8],
            acc: &mut [i32],
        ) {
            gemm_columns($layout, w, n, k, outputs, columns, m, x, acc);
        }
    };
}

products!(I2, gemm_i8_i2: gemm_rows, gemv_i8_i2, gemv_rows_i8_i2, gemm_columns_i8_i2);
products!(Tl1, gemm_i8_tl1: gemm_tiles, gemv_i8_tl1);
products!(Tl2, gemm_i8_tl2: gemm_rows, gemv_i8_tl2, gemv_rows_i8_tl2, gemm_columns_i8_tl2);
products!(T5, gemm_i8_t5: gemm_rows, gemv_i8_t5, gemv_rows_i8_t5, gemm_columns_i8_t5);

fn gemm_rows(layout: TernaryLayout, w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    for j in 0..n {
        for t in 0..m {
            out[j * m + t] = dot(layout, row_of(layout, w, k, j), k, &x[t * k_padded(k)..][..k_padded(k)]);
        }
    }
}

fn gemm_tiles(layout: TernaryLayout, w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    out.fill(0);
    for first in (0..n).step_by(layout.tile_rows()) {
        let tile = &w[first * layout.row_bytes(k)..][..tl1::tile_bytes(k)];
        for (p, pair) in tile.as_chunks().0.iter().enumerate() {
            for (j, weights) in (first..n).zip(tl1::decode_pair(pair)) {
                for t in 0..m {
                    let x = &x[t * k_padded(k) + 2 * p..][..2];
                    out[j * m + t] += product(weights[0], x[0]) + product(weights[1], x[1]);
                }
            }
        }
    }
}

fn gemm_columns(
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &mut [i32],
) {
    for j in columns.iter().map(|j| *j as usize) {
        layout.each_block(row_of(layout, w, n, j), n, |start, weights| {
            for (output, weight) in (start..n).zip(weights).filter(|(output, _)| outputs.contains(output)) {
                for t in 0..m {
                    let sum = &mut acc[t * outputs.len() + output - outputs.start];
                    *sum = sum.wrapping_add(product(*weight, x[t * k_padded(k) + j]));
                }
            }
        });
    }
}

/// Row `j` of a matrix of rows of `k`.
fn row_of(layout: TernaryLayout, w: &[u8], k: usize, j: usize) -> &[u8] {
    &w[j * layout.row_bytes(k)..][..layout.row_bytes(k)]
}

/// The sum over a row; activations end where whole 64s end, which may be inside the last block.
fn dot(layout: TernaryLayout, row: &[u8], k: usize, x: &[i8]) -> i32 {
    let mut sum = 0;
    layout.each_block(row, k, |start, weights| {
        for (weight, x) in weights.iter().zip(&x[start..]) {
            sum += product(*weight, *x);
        }
    });
    sum
}

fn product(weight: i8, x: i8) -> i32 {
    i32::from(weight) * i32::from(x)
}
