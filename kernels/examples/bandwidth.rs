//! Reads per second of each kernel on this machine, from cache and from memory.
//!
//! `cargo run --release -p ternlet-kernels --example bandwidth [-- backend]`
//!
//! One thread. The matrix is 6912 x 2560 (a feed-forward matrix of a 2B model) or a slice of a 128256 x 2560 head.
//! "memory" walks enough copies that no cache holds them; "cache" repeats 64 rows. The best of several passes counts.
#![expect(clippy::print_stdout, reason = "the table is the program's result")]

use std::time::Instant;

use ternlet_kernels::layout::{TernaryLayout, i2, i8_split};
use ternlet_kernels::{Backend, CpuFeatures, Kernels};

const K: usize = 2560;
const FFN: usize = 6912;
const HEAD: usize = 32768;
/// Bytes that stand for memory: eight times a large last-level cache.
const MEMORY: usize = 256 << 20;
const PASSES: usize = 7;

fn main() {
    let features = CpuFeatures::detect();
    let wanted = std::env::args().nth(1);
    for kernels in Kernels::all(features) {
        if wanted.as_deref().is_none_or(|name| Backend::from_name(name) == Some(kernels.backend())) {
            println!("{}", kernels.name());
            ternary(kernels);
            int8_head(kernels);
            split_head(kernels);
            float_heads(kernels);
            prefill(kernels);
            vectors(kernels);
        }
    }
}

/// A product of one plane of the split head.
type Plane = fn(&Kernels, &[u8], usize, usize, &[i8], &[i8], &mut [i64]);

/// Seconds of the fastest pass.
fn fastest(mut pass: impl FnMut()) -> f64 {
    let times = (0..PASSES).map(|_| {
        let start = Instant::now();
        pass();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn report(what: &str, bytes: usize, seconds: f64) {
    println!("  {what:34} {:8.2} GB/s", bytes as f64 / seconds / 1e9);
}

fn ternary(kernels: &Kernels) {
    let matrix = FFN * i2::row_bytes(K);
    let copies = MEMORY / matrix;
    let w = vec![i2::ZERO_BYTE; matrix * copies];
    let x = vec![3i8; K];
    let mut out = vec![0; FFN];
    let seconds = fastest(|| {
        for w in w.chunks_exact(matrix) {
            kernels.gemv_i8(TernaryLayout::I2, w, FFN, K, &x, &mut out);
        }
    });
    report("gemv_i8_i2 6912x2560, memory", w.len(), seconds);
    let few = 64;
    let bytes = few * i2::row_bytes(K);
    let seconds = fastest(|| {
        for _ in 0..1000 {
            kernels.gemv_i8(
                TernaryLayout::I2,
                core::hint::black_box(&w[..bytes]),
                few,
                K,
                &x,
                &mut out[..few],
            );
        }
    });
    report("gemv_i8_i2 64x2560, cache", 1000 * bytes, seconds);
}

fn int8_head(kernels: &Kernels) {
    let w = vec![1i8; 3 * HEAD * K];
    let (high, low) = (vec![3i8; K], vec![-7i8; K]);
    let scale = vec![1.0; HEAD];
    let mut out = vec![0.0; HEAD];
    let seconds = fastest(|| {
        for w in w.chunks_exact(HEAD * K) {
            kernels.gemv_i16_i8(w, &scale, HEAD, K, &high, &low, 1.0, &mut out);
        }
    });
    report("gemv_i16_i8 32768x2560, memory", w.len(), seconds);
    let few = 12;
    let seconds = fastest(|| {
        for _ in 0..1000 {
            let w = core::hint::black_box(&w[..few * K]);
            kernels.gemv_i16_i8(w, &scale[..few], few, K, &high, &low, 1.0, &mut out[..few]);
        }
    });
    report("gemv_i16_i8 12x2560, cache", 1000 * few * K, seconds);
}

fn split_head(kernels: &Kernels) {
    let planes: [(&str, usize, Plane); 2] = [
        ("gemv_i16_u5", i8_split::high_row_bytes(K), Kernels::gemv_i16_u5),
        ("gemv_i16_u3", i8_split::low_row_bytes(K), Kernels::gemv_i16_u3),
    ];
    let (high, low) = (vec![3i8; K], vec![-7i8; K]);
    let mut out = vec![0; HEAD];
    for (name, row_bytes, gemv) in planes {
        let matrix = HEAD * row_bytes;
        let w = vec![0x5au8; matrix * MEMORY.div_ceil(matrix)];
        let seconds = fastest(|| {
            for w in w.chunks_exact(matrix) {
                gemv(kernels, w, HEAD, K, &high, &low, &mut out);
            }
        });
        report(&format!("{name} {HEAD}x{K}, memory"), w.len(), seconds);
        let few = 12;
        let seconds = fastest(|| {
            for _ in 0..1000 {
                let w = core::hint::black_box(&w[..few * row_bytes]);
                gemv(kernels, w, few, K, &high, &low, &mut out[..few]);
            }
        });
        report(&format!("{name} {few}x{K}, cache"), 1000 * few * row_bytes, seconds);
    }
}

fn float_heads(kernels: &Kernels) {
    let x = vec![0.25; K];
    let mut out = vec![0.0; HEAD];
    let half = vec![0x3c00u16; HEAD * K];
    let seconds = fastest(|| kernels.gemv_f32_bf16(&half, HEAD, K, K, &x, &mut out));
    report("gemv_f32_bf16 32768x2560, memory", 2 * half.len(), seconds);
    let seconds = fastest(|| kernels.gemv_f32_f16(&half, HEAD, K, K, &x, &mut out));
    report("gemv_f32_f16 32768x2560, memory", 2 * half.len(), seconds);
    let (n, head_dim) = (2048, 128);
    // Four query heads over one KV head; as many KV heads as do not fit a cache.
    let m = 4;
    let (q, weights) = (vec![0.5; m * head_dim], vec![0.001; m * n]);
    let n_heads = HEAD * K / (n * head_dim);
    let head = |h: usize| &half[h * n * head_dim..(h + 1) * n * head_dim];
    for (place, n_passes, step) in [("memory", n_heads, 1), ("cache", 20, 0)] {
        let bytes = n_passes * 2 * n * head_dim;
        let seconds = fastest(|| {
            for h in 0..n_passes {
                kernels.gemm_f32_f16(head(h * step), n, head_dim, head_dim, m, &q, &mut out[..m * n], n);
            }
        });
        report(&format!("scores f16 2048x128 by 4, {place}"), bytes, seconds);
        let mut sums = vec![0.0; m * head_dim];
        let seconds = fastest(|| {
            for h in 0..n_passes {
                kernels.gevm_f32_f16(&weights, n, m, head(h * step), n, head_dim, head_dim, &mut sums);
            }
        });
        report(&format!("weighted V f16 2048x128 by 4, {place}"), bytes, seconds);
    }
}

fn prefill(kernels: &Kernels) {
    for m in [4, 32] {
        let w = vec![i2::ZERO_BYTE; FFN * i2::row_bytes(K)];
        let x = vec![1i8; m * K];
        let mut out = vec![0; FFN * m];
        let seconds = fastest(|| kernels.gemm_i8(TernaryLayout::I2, &w, FFN, K, m, &x, &mut out));
        let products = (FFN * K * m) as f64;
        println!(
            "  {:34} {:8.2} G products/s",
            format!("gemm_i8_i2 6912x2560, m = {m}"),
            products / seconds / 1e9
        );
    }
}

fn vectors(kernels: &Kernels) {
    let (n, times) = (2560, 200);
    let (y, mut x, mut q) = (vec![0.5; n], vec![0.25; n], vec![0; n]);
    let mut report = |what: &str, op: &mut dyn FnMut(&mut [f32], &mut [i8])| {
        let seconds = fastest(|| {
            for _ in 0..times {
                op(core::hint::black_box(&mut x), &mut q);
            }
        });
        println!("  {what:34} {:8.2} elements/ns", (n * times) as f64 / seconds / 1e9);
    };
    report("quantise_i8 2560", &mut |x, q| {
        let _ = kernels.quantise_i8(x, q);
    });
    report("softmax 2560", &mut |x, _| kernels.softmax(x));
    report("silu_mul 2560", &mut |x, _| kernels.silu_mul(x, &y));
    report("sum_squares 2560", &mut |x, _| {
        core::hint::black_box(kernels.sum_squares(x));
    });
    report("add_assign 2560", &mut |x, _| kernels.add_assign(x, &y));
}
