//! Runs every kernel once and then twice between marks, for whoever counts its instructions.
//!
//! `counts BACKEND` prints a line `NAME <tab> UNITS` per kernel, in the order they ran: units are ternary weights,
//! products, or elements, as the name says. For each kernel it calls [`mark`] four times, with one round between the
//! first two and two rounds between the last two; the difference is one round, exactly. What a kernel does depends
//! on shapes alone, so the weights are zeros. Shapes are those of BitNet b1.58 2B-4T.
//!
//! It measures no time, and nothing but a counter can use it: `tests/src/counts` is one.
#![expect(clippy::print_stdout, reason = "the table is the program's result")]

use core::hint::black_box;
use std::process::ExitCode;

use ternlet_kernels::layout::TernaryLayout::{self, I2, T5, Tl1, Tl2};
use ternlet_kernels::layout::{i2, i8_split};
use ternlet_kernels::{Backend, CpuFeatures, Kernels};

/// Width of the residual stream, the reduction of most matrices.
const DIM: usize = 2560;
/// Width of the feed-forward block, the reduction of `w_down`.
const HIDDEN_DIM: usize = 6912;
/// Rows: those of the smallest matrix, `wk` and `wv`, over which a call's fixed cost spreads least.
const ROWS: usize = 640;
/// Rows of a slice of the head.
const HEAD_ROWS: usize = 512;
/// Rows of a product with many tokens: a multiple of every tile, few because tokens make it long.
const GEMM_ROWS: usize = 32;
/// Rows or columns of a list.
const LISTED: usize = 256;
const HEAD_DIM: usize = 128;
/// Positions in the KV cache.
const CONTEXT: usize = 128;
/// Query heads that share a KV head.
const GROUP: usize = 4;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let kernels =
        Backend::from_name(&name).and_then(|name| Kernels::for_backend(name, CpuFeatures::detect()));
    let Some(kernels) = kernels else {
        eprintln!("counts: expected a backend that this CPU has, found {name:?}");
        return ExitCode::from(2);
    };
    ternary(kernels);
    // All else of i8mm is that of dotprod.
    if kernels.backend() != Backend::I8mm {
        head(kernels);
        attention(kernels);
        vectors(kernels);
    }
    ExitCode::SUCCESS
}

/// What the counter looks for.
#[inline(never)]
fn mark(n: u32) {
    black_box(n);
}

/// The same code for any number of rounds, so that two numbers of rounds differ by rounds alone.
#[inline(never)]
fn rounds(n: u32, round: &mut impl FnMut()) {
    mark(n);
    for _ in 0..n {
        round();
    }
    mark(n);
}

fn count(name: &str, units: usize, mut round: impl FnMut()) {
    rounds(black_box(1), &mut round);
    rounds(black_box(2), &mut round);
    println!("{name}\t{units}");
}

fn ternary(kernels: &Kernels) {
    if kernels.backend() != Backend::I8mm {
        for layout in TernaryLayout::ALL {
            gemv(kernels, layout);
        }
        for layout in [I2, Tl2, T5] {
            skip(kernels, layout);
        }
    }
    for layout in TernaryLayout::ALL {
        gemm(kernels, layout);
    }
}

fn gemv(kernels: &Kernels, layout: TernaryLayout) {
    // All rows share the tables of tl1: what these cost falls with the number of rows.
    let square = (layout == Tl1).then_some((DIM, DIM));
    for (n, k) in [(ROWS, DIM), (ROWS, HIDDEN_DIM)].into_iter().chain(square) {
        let w = vec![0; layout.matrix_bytes(n, k)];
        let x = vec![1; i2::k_padded(k)];
        let mut out = vec![0; n];
        count(&format!("gemv {layout} {n}x{k}, weights"), n * k, || {
            kernels.gemv_i8(layout, black_box(&w), n, k, &x, &mut out);
        });
    }
}

fn gemm(kernels: &Kernels, layout: TernaryLayout) {
    let (n, k) = (GEMM_ROWS, DIM);
    let w = vec![0; layout.matrix_bytes(n, k)];
    for m in [2, 16, 128] {
        let x = vec![1; m * i2::k_padded(k)];
        let mut out = vec![0; n * m];
        count(&format!("gemm {layout} {n}x{k} m={m}, products"), n * k * m, || {
            kernels.gemm_i8(layout, black_box(&w), n, k, m, &x, &mut out);
        });
    }
}

/// The matrices that the `ReLU²` skip reads in part, `w_up` by rows and `w_down` by columns: one in five.
fn skip(kernels: &Kernels, layout: TernaryLayout) {
    let listed: Vec<u32> = (0..).step_by(5).take(LISTED).collect();
    let (n, k) = (HIDDEN_DIM, DIM);
    let w = vec![0; layout.matrix_bytes(n, k)];
    let x = vec![1; i2::k_padded(k)];
    let mut out = vec![0; LISTED];
    count(&format!("row list {layout} {LISTED}x{k}, weights"), LISTED * k, || {
        kernels.gemv_rows_i8(layout, black_box(&w), n, k, &listed, &x, &mut out);
    });
    let (n, k) = (DIM, HIDDEN_DIM);
    let w = vec![0; layout.matrix_bytes(k, n)];
    let x = vec![1; i2::k_padded(k)];
    let mut acc = vec![0; n];
    count(&format!("columns {layout} {n}x{LISTED}, weights"), n * LISTED, || {
        kernels.gemm_columns_i8(layout, black_box(&w), n, k, 0..n, &listed, 1, &x, &mut acc);
    });
    // For many tokens, as a transformer cuts it: a cache line of each column at a time. Few columns, because tokens
    // make it long.
    let tile = 64_usize.div_ceil(layout.row_bytes(layout.block())) * layout.block();
    let (m, columns): (usize, Vec<u32>) = (128, (0..512).collect());
    let x = vec![1; m * i2::k_padded(k)];
    let mut acc = vec![0; m * tile];
    let units = tile * columns.len() * m;
    count(&format!("columns, tile of {tile}, {layout} m={m}, products"), units, || {
        kernels.gemm_columns_i8(layout, black_box(&w), n, k, 0..tile, &columns, m, &x, &mut acc);
    });
}

fn head(kernels: &Kernels) {
    let (n, k) = (HEAD_ROWS, DIM);
    let w = vec![0; n * k];
    let (high, low, scale) = (vec![1; k], vec![-1; k], vec![1.0; n]);
    let mut out = vec![0.0; n];
    count(&format!("head int8 {n}x{k}, weights"), n * k, || {
        kernels.gemv_i16_i8(black_box(&w), &scale, n, k, &high, &low, 1.0, &mut out);
    });
    let mut sums = vec![0; n];
    let w = vec![0; n * i8_split::high_row_bytes(k)];
    count(&format!("head high plane {n}x{k}, weights"), n * k, || {
        kernels.gemv_i16_u5(black_box(&w), n, k, &high, &low, &mut sums);
    });
    let w = vec![0; n * i8_split::low_row_bytes(k)];
    count(&format!("head low plane {n}x{k}, weights"), n * k, || {
        kernels.gemv_i16_u3(black_box(&w), n, k, &high, &low, &mut sums);
    });
}

fn attention(kernels: &Kernels) {
    let (n, k, m) = (CONTEXT, HEAD_DIM, GROUP);
    let cache = vec![0; n * k];
    let (q, weights) = (vec![0.5; m * k], vec![0.25; m * n]);
    let (mut scores, mut sums) = (vec![0.0; m * n], vec![0.0; m * k]);
    count(&format!("attention scores f16 {n}x{k} by {m}, products"), m * n * k, || {
        kernels.gemm_f32_f16(black_box(&cache), n, k, k, m, &q, &mut scores, n);
    });
    count(&format!("attention values f16 {n}x{k} by {m}, products"), m * n * k, || {
        kernels.gevm_f32_f16(&weights, n, m, black_box(&cache), n, k, k, &mut sums);
    });
    let cache = vec![1; n * k];
    count(&format!("attention scores i8 {n}x{k} by {m}, products"), m * n * k, || {
        kernels.gemm_f32_i8(black_box(&cache), n, k, k, m, &q, &mut scores, n);
    });
    count(&format!("attention values i8 {n}x{k} by {m}, products"), m * n * k, || {
        kernels.gevm_f32_i8(&weights, n, m, black_box(&cache), n, k, k, &mut sums);
    });
    let mut scores = vec![0.5; 2048];
    count("softmax 2048, elements", 2048, || kernels.softmax(black_box(&mut scores)));
}

fn vectors(kernels: &Kernels) {
    let n = DIM;
    let (mut x, y, mut out) = (vec![0.5; n], vec![0.25; n], vec![0.0; n]);
    let (mut high, mut low) = (vec![0; n], vec![0; n]);
    count(&format!("quantise i8 {n}, elements"), n, || {
        black_box(kernels.quantise_i8(black_box(&x), &mut high));
    });
    count(&format!("quantise i16 {n}, elements"), n, || {
        black_box(kernels.quantise_i16(black_box(&x), &mut high, &mut low));
    });
    count(&format!("sum of squares {n}, elements"), n, || {
        black_box(kernels.sum_squares(black_box(&x)));
    });
    count(&format!("scale and multiply {n}, elements"), n, || {
        kernels.scale_mul(black_box(&x), 0.5, &y, &mut out);
    });
    count(&format!("relu2 {n}, elements"), n, || kernels.relu2_mul(black_box(&mut x), &y));
    let acc = vec![3; n];
    count(&format!("rescale {n}, elements"), n, || kernels.rescale(black_box(&acc), 0.5, &mut out));
}
