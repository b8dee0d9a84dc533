//! Float reductions: the same bits as scalar at any alignment and stride, and near the true sum.

use ternlet_kernels::{Kernels, exp};

use crate::inputs::{Buffer, Random, assert_same_bits};
use crate::shapes::{LENGTHS, N};
use crate::{all, scalar, tolerance};

fn to_bf16(x: &f32) -> u16 {
    (x.to_bits() >> 16) as u16
}

fn to_f16(x: &[f32]) -> Vec<u16> {
    let mut out = vec![0; x.len()];
    scalar().f32_to_f16(x, &mut out);
    out
}

/// Every byte there is, -128 too.
fn to_i8(x: &[f32]) -> Vec<i8> {
    x.iter().map(|x| (x.to_bits() >> 13) as i8).collect()
}

/// Runs `check(random, n, k, stride, shift)` over lengths, row counts, strides and alignments.
fn for_each_matrix(mut check: impl FnMut(&mut Random, usize, usize, usize, usize)) {
    let mut random = Random(3);
    for k in LENGTHS {
        for n in N {
            for (padding, shift) in [(0, 0), (32, 0), (3, 1)] {
                check(&mut random, n, k, k + padding, shift);
            }
        }
    }
}

type Gemv<T> = fn(&Kernels, &[T], usize, usize, usize, &[f32], &mut [f32]);

fn check_gemv<T: Copy + Default>(gemv: Gemv<T>, narrow: fn(&[f32]) -> Vec<T>) {
    for_each_matrix(|random, n, k, stride, shift| {
        let w = narrow(&random.vector(n * stride, Random::mixed));
        let x = random.vector(k, Random::mixed);
        let mut expected = vec![0.0; n];
        gemv(scalar(), &w, n, k, stride, &x, &mut expected);
        let (w, x) = (Buffer::shifted(&w, shift), Buffer::shifted(&x, shift));
        for kernels in all() {
            let mut out = vec![f32::NAN; n];
            gemv(kernels, &w, n, k, stride, &x, &mut out);
            assert_same_bits(
                &out,
                &expected,
                &format!("{kernels:?} n {n} k {k} stride {stride} shift {shift}"),
            );
        }
    });
}

#[test]
fn gemv_equals_scalar_for_every_weight_type() {
    check_gemv(Kernels::gemv_f32_f32, <[f32]>::to_vec);
    check_gemv(Kernels::gemv_f32_bf16, |w| w.iter().map(to_bf16).collect());
    check_gemv(Kernels::gemv_f32_f16, to_f16);
}

#[test]
fn gemv_is_near_the_true_sum() {
    let mut random = Random(4);
    for k in LENGTHS {
        let (w, x) = (random.vector(k, Random::unit), random.vector(k, Random::unit));
        let terms = || w.iter().zip(&x).map(|(w, x)| f64::from(*w) * f64::from(*x));
        let (sum, magnitudes): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
        let mut out = [0.0];
        scalar().gemv_f32_f32(&w, 1, k, k, &x, &mut out);
        let bound = tolerance::reduction(k, magnitudes);
        assert!(
            (f64::from(out[0]) - sum).abs() <= bound,
            "k {k}: {} is not within {bound:e} of {sum}",
            out[0]
        );
    }
}

#[test]
fn a_tail_touches_only_its_own_lanes() {
    // Lane 1 holds a negative zero after an underflow; adding a padding product to it would make it positive.
    let tiny = 1e-30;
    let mut w = vec![-tiny; 17];
    w[16] = 0.0;
    let x = vec![tiny; 17];
    for kernels in all() {
        let mut out = [1.0];
        kernels.gemv_f32_f32(&w, 1, 17, 17, &x, &mut out);
        let mut expected = [1.0];
        scalar().gemv_f32_f32(&w, 1, 17, 17, &x, &mut expected);
        assert_same_bits(&out, &expected, kernels.name());
    }
}

/// Numbers of vectors that share rows: every remainder of four, and groups of real models.
const M: [usize; 7] = [0, 1, 2, 3, 4, 5, 7];

type Gemm<T> = fn(&Kernels, &[T], usize, usize, usize, usize, &[f32], &mut [f32], usize);

fn check_gemm<T: Copy + Default>(gemm: Gemm<T>, gemv: Gemv<T>, narrow: fn(&[f32]) -> Vec<T>) {
    for_each_matrix(|random, n, k, stride, shift| {
        // More rows than the kernels' tiles hold.
        let n = if k <= 33 { n * 9 } else { n };
        let w = narrow(&random.vector(n * stride, Random::mixed));
        for m in M {
            let x = random.vector(m * k, Random::mixed);
            let (w, x) = (Buffer::shifted(&w, shift), Buffer::shifted(&x, shift));
            let out_stride = n + shift;
            let mut expected = vec![9.0; m * out_stride];
            for t in 0..m {
                let out = &mut expected[t * out_stride..][..n];
                gemv(scalar(), &w, n, k, stride, &x[t * k..][..k], out);
            }
            for kernels in all() {
                let mut out = vec![9.0; m * out_stride];
                gemm(kernels, &w, n, k, stride, m, &x, &mut out, out_stride);
                let what = format!("{kernels:?} n {n} k {k} m {m} stride {stride} shift {shift}");
                assert_same_bits(&out, &expected, &what);
            }
        }
    });
}

#[test]
fn gemm_equals_gemv_by_gemv_and_leaves_the_gaps_alone() {
    check_gemm(Kernels::gemm_f32_f32, Kernels::gemv_f32_f32, <[f32]>::to_vec);
    check_gemm(Kernels::gemm_f32_f16, Kernels::gemv_f32_f16, to_f16);
    let gemv_i8: Gemv<i8> = |kernels, w, n, k, stride, x, out| {
        let wide: Vec<f32> = w.iter().map(|w| f32::from(*w)).collect();
        kernels.gemv_f32_f32(&wide, n, k, stride, x, out);
    };
    check_gemm(Kernels::gemm_f32_i8, gemv_i8, to_i8);
}

type Gevm<T> = fn(&Kernels, &[f32], usize, usize, &[T], usize, usize, usize, &mut [f32]);

fn check_gevm<T: Copy + Default>(gevm: Gevm<T>, narrow: fn(&[f32]) -> Vec<T>) {
    for_each_matrix(|random, n, k, stride, shift| {
        let n = if k <= 33 { n * 9 } else { n };
        let w = narrow(&random.vector(n * stride, Random::mixed));
        for m in M {
            let a_stride = n + shift;
            let a = random.vector(m * a_stride, Random::mixed);
            let mut expected = vec![0.0; m * k];
            for t in 0..m {
                let (a, out) = (&a[t * a_stride..][..n], &mut expected[t * k..][..k]);
                gevm(scalar(), a, n, 1, &w, n, k, stride, out);
            }
            let w = Buffer::shifted(&w, shift);
            for kernels in all() {
                let mut out = Buffer::shifted(&vec![f32::NAN; m * k], shift);
                gevm(kernels, &a, a_stride, m, &w, n, k, stride, &mut out);
                let what = format!("{kernels:?} n {n} k {k} m {m} stride {stride} shift {shift}");
                assert_same_bits(&out, &expected, &what);
            }
        }
    });
}

#[test]
fn gevm_equals_scalar_sum_by_sum_for_every_cache_type() {
    check_gevm(Kernels::gevm_f32_f32, <[f32]>::to_vec);
    check_gevm(Kernels::gevm_f32_f16, to_f16);
    check_gevm(Kernels::gevm_f32_i8, to_i8);
}

#[test]
fn gevm_adds_rows_in_ascending_order() {
    // 1e8 + 1 - 1e8 is 0 in this order and 1 in others.
    let w = [1e8, 1.0, -1e8];
    for kernels in all() {
        let mut out = [9.0];
        kernels.gevm_f32_f32(&[1.0; 3], 3, 1, &w, 3, 1, 1, &mut out);
        assert_eq!(out, [0.0], "{kernels:?}");
    }
}

#[test]
fn sum_squares_equals_scalar_and_is_near_the_true_sum() {
    let mut random = Random(5);
    for k in LENGTHS {
        let x = random.vector(k, Random::mixed);
        let expected = scalar().sum_squares(&x);
        let sum: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
        assert!((f64::from(expected) - sum).abs() <= tolerance::reduction(k, sum), "k {k}");
        for kernels in all() {
            for shift in [0, 1] {
                let x = Buffer::shifted(&x, shift);
                assert_same_bits(&[kernels.sum_squares(&x)], &[expected], &format!("{kernels:?} k {k}"));
            }
        }
    }
}

#[test]
fn softmax_equals_scalar_and_is_near_the_true_one() {
    let mut random = Random(6);
    for k in LENGTHS {
        let scores = random.vector(k, |random| random.mixed() * 20.0);
        let mut expected = scores.clone();
        scalar().softmax(&mut expected);
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = scores.iter().map(|x| f64::from(x - max).exp()).sum();
        for (found, x) in expected.iter().zip(&scores) {
            let exact = f64::from(x - max).exp() / sum;
            let bound = (tolerance::SOFTMAX + tolerance::reduction(k, 1.0)) * exact
                + 2.0 * f64::from(f32::from_bits(1));
            assert!((f64::from(*found) - exact).abs() <= bound, "k {k}: {found} is not near {exact}");
        }
        for kernels in all() {
            for shift in [0, 1] {
                let mut x = Buffer::shifted(&scores, shift);
                kernels.softmax(&mut x);
                assert_same_bits(&x, &expected, &format!("{kernels:?} k {k}"));
            }
        }
    }
}

#[test]
fn softmax_of_a_nan_is_all_nan() {
    for kernels in all() {
        for at in [0, 5, 20] {
            let mut x = [0.5; 21];
            x[at] = f32::NAN;
            kernels.softmax(&mut x);
            assert!(x.iter().all(|x| x.is_nan()), "{kernels:?} at {at}");
        }
    }
}

#[test]
fn exp_is_within_its_bound_of_the_true_value() {
    let mut worst = (0.0, 0.0);
    let mut check = |x: f32| {
        let (found, exact) = (exp(x), f64::from(x).exp());
        // The last place of the true value, subnormal ones included.
        let ulp = f64::from(f32::from_bits(1)).max(2f64.powi(exact.log2().floor() as i32 - 23));
        let error = (f64::from(found) - exact).abs() / ulp;
        if error > worst.0 {
            worst = (error, x);
        }
    };
    let mut random = Random(7);
    for i in 0..400_000 {
        check(-104.0 + (104.0 + 88.7) * (i as f32 / 400_000.0));
        check(random.unit());
        check(random.unit() * 1e-4);
    }
    assert!(worst.0 <= tolerance::EXP_ULP, "exp({}) is {} ULP off", worst.1, worst.0);
}

#[test]
#[should_panic(expected = "w has 20 elements, 3 rows of 5 at stride 8 need 21")]
fn a_matrix_shorter_than_its_last_row_is_refused() {
    scalar().gemv_f32_f32(&[0.0; 20], 3, 5, 8, &[0.0; 5], &mut [0.0; 3]);
}
