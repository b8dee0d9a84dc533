//! Ternary products and the int8 head: bit-exact to scalar at every edge.

use ternlet_kernels::{Kernels, layout::i2};

use crate::inputs::{Buffer, Random, activations, assert_same_bits, painted_i8, ternary};
use crate::shapes::{K, LONGEST, M, N};
use crate::{all, scalar};

fn painted_trit(j: usize, i: usize) -> i8 {
    [0, 1, -1, 1, -1, -1, 1][(i + 3 * j) % 251 % 7]
}

fn painted_x(t: usize, i: usize) -> i8 {
    (((i + 17 * t) % 251) as i16 - 125) as i8
}

/// Runs `check(kernels, n, k)` for every backend but the oracle itself and every shape.
fn for_each_shape(check: impl Fn(&Kernels, usize, usize)) {
    for kernels in all() {
        for k in K {
            for n in N {
                check(kernels, n, k);
            }
        }
    }
}

fn gemv(kernels: &Kernels, w: &[u8], n: usize, k: usize, x: &[i8]) -> Vec<i32> {
    let mut out = vec![0x5a5a_5a5a; n];
    kernels.gemv_i8_i2(w, n, k, x, &mut out);
    out
}

fn gemm(kernels: &Kernels, w: &[u8], n: usize, k: usize, m: usize, x: &[i8]) -> Vec<i32> {
    let mut out = vec![0x5a5a_5a5a; n * m];
    kernels.gemm_i8_i2(w, n, k, m, x, &mut out);
    out
}

#[test]
fn gemv_equals_the_sum_over_unpacked_weights() {
    for_each_shape(|kernels, n, k| {
        let (w, x) = (ternary(n, k, painted_trit), activations(1, k, painted_x));
        let expected: Vec<i32> = (0..n)
            .map(|j| (0..k).map(|i| i32::from(painted_trit(j, i)) * i32::from(painted_x(0, i))).sum())
            .collect();
        assert_eq!(gemv(kernels, &w, n, k, &x), expected, "{kernels:?} n {n} k {k}");
    });
}

#[test]
fn gemv_is_exact_for_weights_that_are_all_minus_or_all_zero() {
    for_each_shape(|kernels, n, k| {
        for trit in [-1, 0, 1] {
            let (w, x) = (ternary(n, k, |_, _| trit), activations(1, k, |_, _| -127));
            let expected = vec![-127 * i32::from(trit) * i32::try_from(k).expect("small"); n];
            assert_eq!(gemv(kernels, &w, n, k, &x), expected, "{kernels:?} n {n} k {k} trit {trit}");
        }
    });
}

#[test]
fn products_are_exact_at_the_longest_k_with_every_byte_value() {
    // The largest activations against every weight byte, those that are never written included: an int16 sum that
    // widens too late shows here.
    let (n, k, m) = (1, LONGEST, 5);
    for kernels in all() {
        for byte in [0x00, 0x15, 0x2a, 0x3f, 0x55, 0x80, 0xaa, 0xbf, 0xc0, 0xd5, 0xff] {
            let w = Buffer::aligned(&vec![byte; n * i2::row_bytes(k)]);
            for value in [127, -127] {
                let x = activations(m, k, |_, _| value);
                let per_byte: i32 = i2::decode_byte(byte).iter().map(|trit| i32::from(*trit)).sum();
                let expected = i32::try_from(k / 4).expect("small") * per_byte * i32::from(value);
                let what = format!("{kernels:?} byte {byte:#04x} x {value}");
                assert_eq!(gemv(kernels, &w, n, k, &x[..k]), vec![expected; n], "gemv {what}");
                assert_eq!(gemm(kernels, &w, n, k, m, &x), vec![expected; n * m], "gemm {what}");
            }
        }
    }
}

#[test]
fn products_of_random_bytes_equal_scalar() {
    let mut random = Random(1);
    for k in K {
        for n in N {
            let bytes: Vec<u8> = (0..n * i2::row_bytes(k)).map(|_| random.byte()).collect();
            let w = Buffer::aligned(&bytes);
            let m = 6;
            let values: Vec<i8> = (0..m * k).map(|_| random.byte().cast_signed().max(-127)).collect();
            let x = activations(m, k, |t, i| values[t * k + i]);
            let expected = gemm(scalar(), &w, n, k, m, &x);
            for kernels in all() {
                let what = format!("{kernels:?} n {n} k {k}");
                assert_eq!(gemm(kernels, &w, n, k, m, &x), expected, "gemm {what}");
                for t in 0..m {
                    let column: Vec<i32> = (0..n).map(|j| expected[j * m + t]).collect();
                    let x = &x[t * i2::k_padded(k)..][..i2::k_padded(k)];
                    assert_eq!(gemv(kernels, &w, n, k, x), column, "gemv {what}");
                }
            }
        }
    }
}

#[test]
fn gemm_equals_one_gemv_per_token() {
    for_each_shape(|kernels, n, k| {
        let w = ternary(n, k, painted_trit);
        for m in M {
            let x = activations(m, k, painted_x);
            let found = gemm(kernels, &w, n, k, m, &x);
            for t in 0..m {
                let x = Buffer::aligned(&x[t * i2::k_padded(k)..][..i2::k_padded(k)]);
                let column: Vec<i32> = (0..n).map(|j| found[j * m + t]).collect();
                assert_eq!(column, gemv(kernels, &w, n, k, &x), "{kernels:?} n {n} k {k} m {m} t {t}");
            }
        }
    });
}

#[test]
fn the_int8_head_equals_scalar_at_any_alignment() {
    let mut random = Random(2);
    for k in K {
        for n in N {
            let w = painted_i8(n * k);
            let row_scale = random.vector(n, Random::unit);
            let high: Vec<i8> = (0..k).map(|_| random.byte().cast_signed().max(-127)).collect();
            let low: Vec<i8> = (0..k).map(|_| random.byte().cast_signed()).collect();
            let mut expected = vec![f32::NAN; n];
            scalar().gemv_i16_i8(&w, &row_scale, n, k, &high, &low, 0.37, &mut expected);
            for kernels in all() {
                for shift in [0, 1, 8] {
                    let (w, high, low) = (
                        Buffer::shifted(&w, shift),
                        Buffer::shifted(&high, shift),
                        Buffer::shifted(&low, shift),
                    );
                    let mut out = vec![f32::NAN; n];
                    kernels.gemv_i16_i8(&w, &row_scale, n, k, &high, &low, 0.37, &mut out);
                    assert_same_bits(&out, &expected, &format!("{kernels:?} n {n} k {k} shift {shift}"));
                }
            }
        }
    }
}

#[test]
fn the_int8_head_is_exact_at_the_longest_k() {
    let (n, k) = (5, LONGEST);
    for kernels in all() {
        for (w, high, low) in [(-128, -127, -128), (-128, 127, 127), (127, -127, -128), (127, 127, 127)] {
            let mut out = vec![0.0; n];
            kernels.gemv_i16_i8(
                &vec![w; n * k],
                &vec![0.5; n],
                n,
                k,
                &vec![high; k],
                &vec![low; k],
                2.0,
                &mut out,
            );
            let x = 256 * i64::from(high) + i64::from(low);
            let expected = (i64::from(w) * x * i64::try_from(k).expect("small")) as f32;
            assert_same_bits(&out, &vec![expected; n], &format!("{kernels:?} {w} {high} {low}"));
        }
    }
}

#[test]
#[should_panic(expected = "length of x is 64, expected 128")]
fn a_wrong_length_is_a_bug_in_the_caller() {
    let (w, x) = (ternary(1, 65, painted_trit), activations(1, 64, painted_x));
    gemv(scalar(), &w, 1, 65, &x);
}

#[test]
#[should_panic(expected = "i2 weights start at a multiple of 16 bytes")]
fn unaligned_weights_are_a_bug_in_the_caller_on_every_machine() {
    let w = Buffer::shifted(&[i2::ZERO_BYTE; 16], 8);
    gemv(scalar(), &w, 1, 64, &activations(1, 64, painted_x));
}

#[test]
#[should_panic(expected = "k = 65600 is over 65536")]
fn a_reduction_too_long_for_int32_is_refused() {
    let k = LONGEST + i2::BLOCK;
    gemv(scalar(), &Buffer::zeroed(i2::row_bytes(k)), 1, k, &Buffer::zeroed(k));
}
