//! Ternary products by columns: equal to the sum over the trits of the listed columns, on every backend.

use core::ops::Range;

use ternlet_kernels::layout::TernaryLayout::{self, I2, T5, Tl1, Tl2};
use ternlet_kernels::layout::i2::k_padded;
use ternlet_kernels::{Backend, Kernels};

use crate::inputs::{Buffer, Random, activations, ternary, unpacked};
use crate::ternary::{painted_trit, painted_x};
use crate::{all, scalar};

/// Layouts that have columns.
const LAYOUTS: [TernaryLayout; 3] = [I2, Tl2, T5];
/// Numbers of outputs: around the blocks of the layouts, and a model's dim.
const OUTPUTS: [usize; 13] = [0, 1, 16, 63, 64, 65, 80, 145, 384, 390, 769, 2560, 2568];
/// What `acc` holds before.
const START: i32 = 1000;

/// `w` is column-major: `k` columns of `n`.
fn columns(
    kernels: &Kernels,
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
) -> Vec<i32> {
    let mut acc: Vec<i32> = (0..m * outputs.len()).map(|i| START + i as i32).collect();
    kernels.gemm_columns_i8(layout, w, n, k, outputs, columns, m, x, &mut acc);
    acc
}

/// The same from unpacked columns `[k, n]`, with nothing of a kernel in it.
fn plain(
    w: &[i8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
) -> Vec<i32> {
    let mut acc = Vec::new();
    for t in 0..m {
        for o in outputs.clone() {
            let products = columns.iter().map(|j| *j as usize).map(|j| {
                assert!(j < k);
                i32::from(w[j * n + o]) * i32::from(x[t * k_padded(k) + j])
            });
            acc.push(START + acc.len() as i32 + products.sum::<i32>());
        }
    }
    acc
}

fn every(step: usize, k: usize) -> Vec<u32> {
    (0..k as u32).step_by(step).collect()
}

#[test]
fn columns_are_exact_at_the_edges_of_large_tiles_with_few_or_many_largest_activations() {
    let mut random = Random(5);
    let (n, k) = (130, 600);
    for layout in LAYOUTS {
        let trits: Vec<i8> = (0..n * k).map(|_| [-1, 0, 1][usize::from(random.byte() % 3)]).collect();
        let w = ternary(layout, k, n, |j, o| trits[j * n + o]);
        for (m, share) in [(1, 4), (2, 0), (7, 1), (131, 0), (131, 64)] {
            let values: Vec<i8> = (0..m * k)
                .map(|_| match random.byte() {
                    byte if byte < share => [127, -128, -127][usize::from(byte % 3)],
                    byte => byte.cast_signed().clamp(-126, 126),
                })
                .collect();
            let x = activations(m, k, |t, i| values[t * k + i]);
            for list in [&every(1, k), &every(2, k)] {
                let expected = plain(&trits, n, k, 0..n, list, m, &x);
                for kernels in all().filter(|kernels| kernels.backend() != Backend::Scalar) {
                    let found = columns(kernels, layout, &w, n, k, 0..n, list, m, &x);
                    assert!(found == expected, "{layout} {kernels:?} m {m} share {share} c {}", list.len());
                }
            }
        }
    }
}

#[test]
fn columns_of_random_bytes_equal_the_sum_over_what_they_unpack_to() {
    let mut random = Random(4);
    let k = 70;
    let lists: [&[u32]; 7] = [&[], &[69], &[3, 1], &[0, 1, 2], &[5, 9, 12, 60], &every(1, k), &every(3, k)];
    for layout in LAYOUTS {
        for n in OUTPUTS {
            let bytes: Vec<u8> = (0..k * layout.row_bytes(n)).map(|_| random.byte()).collect();
            let w = Buffer::aligned(&bytes);
            let trits = unpacked(layout, &w, k, n);
            let values: Vec<i8> = (0..5 * k).map(|_| random.byte().cast_signed()).collect();
            for m in [1, 2, 4, 5] {
                let x = activations(m, k, |t, i| values[t * k + i]);
                for list in lists {
                    let expected = plain(&trits, n, k, 0..n, list, m, &x);
                    for kernels in all() {
                        let found = columns(kernels, layout, &w, n, k, 0..n, list, m, &x);
                        assert_eq!(found, expected, "{layout} {kernels:?} n {n} m {m} columns {list:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_range_of_outputs_gives_that_part_of_the_sums() {
    let k = 33;
    for layout in LAYOUTS {
        for n in [65, 400, 800, 1600] {
            let w = ternary(layout, k, n, painted_trit);
            let trits = unpacked(layout, &w, k, n);
            let cuts: Vec<usize> = (0..n).step_by(layout.block()).chain([n]).collect();
            for m in [1, 3] {
                let x = activations(m, k, painted_x);
                for (i, start) in cuts.iter().enumerate() {
                    for end in [cuts[i], *cuts.get(i + 1).unwrap_or(&n), n] {
                        let expected = plain(&trits, n, k, *start..end, &every(1, k), m, &x);
                        for kernels in all() {
                            let found = columns(kernels, layout, &w, n, k, *start..end, &every(1, k), m, &x);
                            assert_eq!(found, expected, "{layout} {kernels:?} n {n} m {m} {start}..{end}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn columns_are_exact_at_the_extremes() {
    let (n, k, m) = (97, 23040, 2);
    for layout in LAYOUTS {
        for trit in [-1, 1] {
            let w = ternary(layout, k, n, |_, _| trit);
            for value in [127, -127, -128] {
                let x = activations(m, k, |_, _| value);
                for kernels in all() {
                    let found = columns(kernels, layout, &w, n, k, 0..n, &every(1, k), m, &x);
                    let sum = i32::from(trit) * i32::from(value) * k as i32;
                    let expected: Vec<i32> = (0..m * n).map(|i| START + i as i32 + sum).collect();
                    assert_eq!(found, expected, "{layout} {kernels:?} trit {trit} x {value}");
                }
            }
        }
        // Every byte, those that are never written included: the largest weight they can mean times the longest k.
        for byte in [0x00, 0x3f, 0x80, 0xaa, 0xff] {
            let w = Buffer::aligned(&vec![byte; k * layout.row_bytes(n)]);
            let trits = unpacked(layout, &w, k, n);
            let x = activations(1, k, |_, _| -127);
            let expected = plain(&trits, n, k, 0..n, &every(1, k), 1, &x);
            for kernels in all() {
                let found = columns(kernels, layout, &w, n, k, 0..n, &every(1, k), 1, &x);
                assert_eq!(found, expected, "{layout} {kernels:?} byte {byte:#04x}");
            }
        }
    }
}

#[test]
fn parts_of_the_columns_add_up_to_all_of_them() {
    let (n, k, m) = (640, 129, 1);
    let (w, x) = (ternary(I2, k, n, painted_trit), activations(m, k, painted_x));
    for kernels in all() {
        let mut acc = vec![0; n];
        for list in [every(2, k), every(1, k).into_iter().filter(|j| j % 2 == 1).collect()] {
            kernels.gemm_columns_i8(I2, &w, n, k, 0..n, &list, m, &x, &mut acc);
        }
        let mut expected = vec![0; n];
        scalar().gemm_columns_i8(I2, &w, n, k, 0..n, &every(1, k), m, &x, &mut expected);
        assert_eq!(acc, expected, "{kernels:?}");
    }
}

#[test]
fn sums_that_leave_int32_wrap_on_every_backend() {
    let (n, k) = (80, 4);
    for layout in LAYOUTS {
        let (w, x) = (ternary(layout, k, n, |_, _| 1), activations(1, k, |_, _| 127));
        for kernels in all() {
            let mut acc = vec![i32::MAX; n];
            kernels.gemm_columns_i8(layout, &w, n, k, 0..n, &every(1, k), 1, &x, &mut acc);
            assert_eq!(acc, vec![i32::MIN + 4 * 127 - 1; n], "{layout} {kernels:?}");
        }
    }
}

#[test]
#[should_panic(expected = "outputs 0..32 of 400 are not cut at multiples of 64")]
fn outputs_cut_inside_a_block_are_a_bug_in_the_caller() {
    let (w, x) = (ternary(I2, 3, 400, painted_trit), activations(1, 3, painted_x));
    columns(scalar(), I2, &w, 400, 3, 0..32, &[0], 1, &x);
}

#[test]
#[should_panic(expected = "column 3 is not below 3")]
fn a_column_that_is_not_there_is_a_bug_in_the_caller() {
    let (w, x) = (ternary(Tl2, 3, 400, painted_trit), activations(1, 3, painted_x));
    columns(scalar(), Tl2, &w, 400, 3, 0..400, &[0, 3], 1, &x);
}

#[test]
#[should_panic(expected = "length of acc is 80, expected 160")]
fn sums_of_another_number_of_tokens_are_a_bug_in_the_caller() {
    let (w, x) = (ternary(T5, 3, 80, painted_trit), activations(2, 3, painted_x));
    scalar().gemm_columns_i8(T5, &w, 80, 3, 0..80, &[0], 2, &x, &mut [0; 80]);
}

#[test]
#[should_panic(expected = "tl1 has no columns of its own: it stores 32 together")]
fn a_layout_of_tiles_has_no_columns_to_list() {
    let (w, x) = (ternary(Tl1, 3, 64, painted_trit), activations(1, 3, painted_x));
    columns(scalar(), Tl1, &w, 64, 3, 0..64, &[0], 1, &x);
}
