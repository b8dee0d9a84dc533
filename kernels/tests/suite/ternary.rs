//! Ternary products by rows, in every layout: equal to the sum over the trits at every edge, on every backend.

use ternlet_kernels::layout::TernaryLayout::{self, I2, T5, Tl1};
use ternlet_kernels::layout::i2;
use ternlet_kernels::{Backend, Kernels};

use crate::inputs::{Buffer, Random, activations, ternary, unpacked};
use crate::shapes::{K, LONGEST, M, N};
use crate::{all, scalar};

pub(crate) fn painted_trit(j: usize, i: usize) -> i8 {
    [0, 1, -1, 1, -1, -1, 1][(i + 3 * j) % 251 % 7]
}

pub(crate) fn painted_x(t: usize, i: usize) -> i8 {
    (((i + 17 * t) % 251) as i16 - 125) as i8
}

/// `w [n, k]` times `x [m, k_padded]`, with nothing of a kernel in it.
pub(crate) fn plain_product(w: &[i8], n: usize, k: usize, m: usize, x: &[i8]) -> Vec<i32> {
    let mut out = Vec::with_capacity(n * m);
    for j in 0..n {
        for t in 0..m {
            let (w, x) = (&w[j * k..][..k], &x[t * i2::k_padded(k)..][..k]);
            out.push(w.iter().zip(x).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum());
        }
    }
    out
}

/// Runs `check(layout, kernels, n, k)` for every layout, backend and shape.
fn for_each_shape(check: impl Fn(TernaryLayout, &Kernels, usize, usize)) {
    for layout in TernaryLayout::ALL {
        for kernels in all() {
            for k in K {
                for n in N {
                    check(layout, kernels, n, k);
                }
            }
        }
    }
}

fn gemv(kernels: &Kernels, layout: TernaryLayout, w: &[u8], n: usize, k: usize, x: &[i8]) -> Vec<i32> {
    let mut out = vec![0x5a5a_5a5a; n];
    kernels.gemv_i8(layout, w, n, k, x, &mut out);
    out
}

fn gemm(
    kernels: &Kernels,
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
) -> Vec<i32> {
    let mut out = vec![0x5a5a_5a5a; n * m];
    kernels.gemm_i8(layout, w, n, k, m, x, &mut out);
    out
}

fn gemv_rows(
    kernels: &Kernels,
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    rows: &[u32],
    x: &[i8],
) -> Vec<i32> {
    let mut out = vec![0x5a5a_5a5a; rows.len()];
    kernels.gemv_rows_i8(layout, w, n, k, rows, x, &mut out);
    out
}

#[test]
fn gemv_equals_the_sum_over_the_trits() {
    for_each_shape(|layout, kernels, n, k| {
        let (w, x) = (ternary(layout, n, k, painted_trit), activations(1, k, painted_x));
        let trits: Vec<i8> = (0..n).flat_map(|j| (0..k).map(move |i| painted_trit(j, i))).collect();
        let expected = plain_product(&trits, n, k, 1, &x);
        assert_eq!(gemv(kernels, layout, &w, n, k, &x), expected, "{layout} {kernels:?} n {n} k {k}");
    });
}

#[test]
fn gemv_is_exact_for_weights_that_are_all_minus_or_all_zero_or_all_plus() {
    for layout in TernaryLayout::ALL {
        for (n, k) in [(1, 1), (5, 65), (33, 390), (9, 2560), (4, 6912), (2, 14336), (2, 23040)] {
            for trit in [-1, 0, 1] {
                let w = ternary(layout, n, k, |_, _| trit);
                for value in [127, -127, -128] {
                    let x = activations(1, k, |_, _| value);
                    let sum = i32::from(value) * i32::from(trit) * i32::try_from(k).expect("small");
                    for kernels in all() {
                        let what = format!("{layout} {kernels:?} n {n} k {k} trit {trit} x {value}");
                        assert_eq!(gemv(kernels, layout, &w, n, k, &x), vec![sum; n], "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn products_are_exact_at_the_longest_k_with_every_byte_value() {
    // The largest activations against every weight byte, those that are never written included: an int16 sum that
    // widens too late shows here.
    let (k, m) = (LONGEST, 5);
    for layout in TernaryLayout::ALL {
        let n = 1;
        for byte in [0x00, 0x3f, 0x55, 0x7f, 0x80, 0xaa, 0xd5, 0xff] {
            let w = Buffer::aligned(&vec![byte; layout.matrix_bytes(n, k)]);
            let sum: i32 = unpacked(layout, &w, n, k).into_iter().map(i32::from).sum();
            for value in [127, -127] {
                let x = activations(m, k, |_, _| value);
                let expected = sum * i32::from(value);
                for kernels in all() {
                    let what = format!("{layout} {kernels:?} byte {byte:#04x} x {value}");
                    assert_eq!(gemv(kernels, layout, &w, n, k, &x[..k]), vec![expected; n], "gemv {what}");
                    assert_eq!(gemm(kernels, layout, &w, n, k, m, &x), vec![expected; n * m], "gemm {what}");
                }
            }
        }
    }
}

#[test]
fn products_of_random_bytes_equal_the_sum_over_what_they_unpack_to() {
    let mut random = Random(1);
    let m = 6;
    for layout in TernaryLayout::ALL {
        for k in K {
            for n in N {
                let bytes: Vec<u8> = (0..layout.matrix_bytes(n, k)).map(|_| random.byte()).collect();
                let w = Buffer::aligned(&bytes);
                let values: Vec<i8> = (0..m * k).map(|_| random.byte().cast_signed()).collect();
                let x = activations(m, k, |t, i| values[t * k + i]);
                let expected = plain_product(&unpacked(layout, &w, n, k), n, k, m, &x);
                for kernels in all() {
                    let what = format!("{layout} {kernels:?} n {n} k {k}");
                    assert_eq!(gemm(kernels, layout, &w, n, k, m, &x), expected, "gemm {what}");
                    for t in [0, m - 1] {
                        let column: Vec<i32> = (0..n).map(|j| expected[j * m + t]).collect();
                        let x = &x[t * i2::k_padded(k)..][..i2::k_padded(k)];
                        assert_eq!(gemv(kernels, layout, &w, n, k, x), column, "gemv {what}");
                    }
                }
            }
        }
    }
}

#[test]
fn gemm_equals_one_gemv_per_token() {
    for_each_shape(|layout, kernels, n, k| {
        let w = ternary(layout, n, k, painted_trit);
        let x = activations(M[M.len() - 1], k, painted_x);
        let single: Vec<Vec<i32>> = x
            .chunks_exact(i2::k_padded(k).max(1))
            .map(|x| gemv(kernels, layout, &w, n, k, &Buffer::aligned(x)))
            .collect();
        for m in M {
            let found = gemm(kernels, layout, &w, n, k, m, &x[..m * i2::k_padded(k)]);
            let zeros = vec![0; n];
            for t in 0..m {
                let column: Vec<i32> = (0..n).map(|j| found[j * m + t]).collect();
                let expected = single.get(t).unwrap_or(&zeros);
                assert_eq!(&column, expected, "{layout} {kernels:?} n {n} k {k} m {m} t {t}");
            }
        }
    });
}

#[test]
fn gemm_is_exact_at_the_edges_of_large_tiles_with_few_or_many_largest_activations() {
    let mut random = Random(4);
    for layout in TernaryLayout::ALL {
        for (n, k, m) in [(70, 320, 131), (100, 384, 7), (129, 640, 3), (33, 8512, 6)] {
            let trits: Vec<i8> = (0..n * k).map(|_| [-1, 0, 1][usize::from(random.byte() % 3)]).collect();
            let w = ternary(layout, n, k, |j, i| trits[j * k + i]);
            for share in [0, 1, 64] {
                let values: Vec<i8> = (0..m * k)
                    .map(|_| match random.byte() {
                        byte if byte < share => [127, -128, -127][usize::from(byte % 3)],
                        byte => byte.cast_signed().clamp(-126, 126),
                    })
                    .collect();
                let x = activations(m, k, |t, i| values[t * k + i]);
                let expected = plain_product(&trits, n, k, m, &x);
                for kernels in all().filter(|kernels| kernels.backend() != Backend::Scalar) {
                    let what = format!("{layout} {kernels:?} n {n} k {k} m {m} share {share}");
                    assert!(gemm(kernels, layout, &w, n, k, m, &x) == expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn a_list_of_rows_gives_those_rows_of_the_gemv() {
    let mut random = Random(3);
    for layout in TernaryLayout::ALL.into_iter().filter(|layout| layout.tile_rows() == 1) {
        for k in K {
            let n = 11;
            let bytes: Vec<u8> = (0..layout.matrix_bytes(n, k)).map(|_| random.byte()).collect();
            let w = Buffer::aligned(&bytes);
            let x = activations(1, k, painted_x);
            let dense = gemv(scalar(), layout, &w, n, k, &x);
            let lists: [&[u32]; 6] =
                [&[], &[10], &[0, 1, 2, 3], &[9, 4, 7, 4, 0], &[1, 3, 5, 7, 9, 10], &[10; 9]];
            for rows in lists {
                let expected: Vec<i32> = rows.iter().map(|row| dense[*row as usize]).collect();
                for kernels in all() {
                    let found = gemv_rows(kernels, layout, &w, n, k, rows, &x);
                    assert_eq!(found, expected, "{layout} {kernels:?} k {k} rows {rows:?}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "length of x is 64, expected 128")]
fn a_wrong_length_is_a_bug_in_the_caller() {
    let (w, x) = (ternary(I2, 1, 65, painted_trit), activations(1, 64, painted_x));
    gemv(scalar(), I2, &w, 1, 65, &x);
}

#[test]
#[should_panic(expected = "length of bytes of w is 512, expected 1024")]
fn weights_of_part_of_a_tile_are_a_bug_in_the_caller() {
    let (w, x) = (ternary(Tl1, 32, 64, painted_trit), activations(1, 64, painted_x));
    gemv(scalar(), Tl1, &w, 33, 64, &x);
}

#[test]
#[should_panic(expected = "ternary weights start at a multiple of 16 bytes")]
fn unaligned_weights_are_a_bug_in_the_caller_on_every_machine() {
    let w = Buffer::shifted(&[i2::ZERO_BYTE; 16], 8);
    gemv(scalar(), I2, &w, 1, 64, &activations(1, 64, painted_x));
}

#[test]
#[should_panic(expected = "k = 65600 is over 65536")]
fn a_reduction_too_long_for_int32_is_refused() {
    let k = LONGEST + i2::BLOCK;
    gemv(scalar(), I2, &Buffer::zeroed(i2::row_bytes(k)), 1, k, &Buffer::zeroed(k));
}

#[test]
#[should_panic(expected = "row 2 is not below 2")]
fn a_row_that_is_not_there_is_a_bug_in_the_caller() {
    let (w, x) = (ternary(T5, 2, 80, painted_trit), activations(1, 80, painted_x));
    gemv_rows(scalar(), T5, &w, 2, 80, &[0, 2], &x);
}

#[test]
#[should_panic(expected = "tl1 has no rows of its own: it stores 32 together")]
fn a_layout_of_tiles_has_no_rows_to_list() {
    let (w, x) = (ternary(Tl1, 2, 80, painted_trit), activations(1, 80, painted_x));
    gemv_rows(scalar(), Tl1, &w, 2, 80, &[0], &x);
}
