//! The planes of the split head: bit-exact to the int8 head and to scalar at every edge.

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::i8_split::{
    high_row_bytes, is_valid, k_padded, low_norm, low_row_bytes, pack_row,
};

use crate::inputs::{Buffer, Random, assert_same_bits};
use crate::shapes::{K, LONGEST, N};
use crate::{all, scalar};

/// A table in both forms, and both planes of x padded.
struct Case {
    n: usize,
    k: usize,
    rows: Vec<i8>,
    high: Buffer<u8>,
    low: Buffer<u8>,
    x_high: Buffer<i8>,
    x_low: Buffer<i8>,
}

impl Case {
    fn new(n: usize, k: usize, mut w: impl FnMut() -> i8, mut x: impl FnMut() -> (i8, i8)) -> Self {
        let rows: Vec<i8> = (0..n * k).map(|_| w()).collect();
        let mut high = Buffer::zeroed(n * high_row_bytes(k));
        let mut low = Buffer::zeroed(n * low_row_bytes(k));
        for j in 0..n {
            let high = &mut high[j * high_row_bytes(k)..][..high_row_bytes(k)];
            let low = &mut low[j * low_row_bytes(k)..][..low_row_bytes(k)];
            pack_row(&rows[j * k..][..k], high, low);
            assert!(is_valid(high, low, k), "k {k}");
        }
        let (mut x_high, mut x_low) = (Buffer::zeroed(k_padded(k)), Buffer::zeroed(k_padded(k)));
        for i in 0..k {
            (x_high[i], x_low[i]) = x();
        }
        Self { n, k, rows, high, low, x_high, x_low }
    }

    fn x(&self, i: usize) -> i64 {
        256 * i64::from(self.x_high[i]) + i64::from(self.x_low[i])
    }

    /// The sums of both planes.
    fn planes(&self, kernels: &Kernels) -> (Vec<i64>, Vec<i64>) {
        let (mut high, mut low) = (vec![i64::MIN; self.n], vec![i64::MIN; self.n]);
        kernels.gemv_i16_u5(&self.high, self.n, self.k, &self.x_high, &self.x_low, &mut high);
        kernels.gemv_i16_u3(&self.low, self.n, self.k, &self.x_high, &self.x_low, &mut low);
        (high, low)
    }

    /// Whether the planes give the sums of the weights that they were made of.
    fn check(&self, kernels: &Kernels, what: &str) {
        let sum_x: i64 = (0..self.k).map(|i| self.x(i)).sum();
        let (high, low) = self.planes(kernels);
        for j in 0..self.n {
            let row = &self.rows[j * self.k..][..self.k];
            let expected: i64 = row.iter().enumerate().map(|(i, w)| i64::from(*w) * self.x(i)).sum();
            let found = 8 * (high[j] - 16 * sum_x) + low[j];
            assert_eq!(found, expected, "{kernels:?} n {} k {} row {j}: {what}", self.n, self.k);
        }
    }
}

#[test]
fn both_planes_together_give_the_sums_of_the_int8_table() {
    let mut random = Random(11);
    for k in K {
        for n in N {
            let mut x = Random(random.bits());
            let case = Case::new(
                n,
                k,
                || random.byte().cast_signed(),
                || (x.byte().cast_signed().max(-127), x.byte().cast_signed()),
            );
            for kernels in all() {
                case.check(kernels, "random weights");
                let mut expected = vec![f32::NAN; n];
                let (x_high, x_low) = (&case.x_high[..k], &case.x_low[..k]);
                scalar().gemv_i16_i8(&case.rows, &vec![0.25; n], n, k, x_high, x_low, 0.37, &mut expected);
                let sum_x: i64 = (0..k).map(|i| case.x(i)).sum();
                let (high, low) = case.planes(kernels);
                let found: Vec<f32> = high
                    .iter()
                    .zip(&low)
                    .map(|(high, low)| (8 * (high - 16 * sum_x) + low) as f32 * (0.25 * 0.37))
                    .collect();
                assert_same_bits(&found, &expected, &format!("{kernels:?} n {n} k {k}"));
            }
        }
    }
}

#[test]
fn planes_of_random_bytes_equal_scalar() {
    let mut random = Random(12);
    for k in K {
        for n in N {
            let mut case = Case::new(n, k, || 0, || (0, 0));
            case.high.iter_mut().chain(case.low.iter_mut()).for_each(|byte| *byte = random.byte());
            for x in case.x_high.iter_mut().chain(case.x_low.iter_mut()) {
                *x = random.byte().cast_signed().max(-127);
            }
            let expected = case.planes(scalar());
            for kernels in all() {
                assert_eq!(case.planes(kernels), expected, "{kernels:?} n {n} k {k}");
            }
        }
    }
}

#[test]
fn planes_are_exact_at_the_extremes_and_the_longest_k() {
    for kernels in all() {
        for k in [23_040, LONGEST] {
            for w in [-128, -121, -8, 0, 7, 127] {
                for x in [(-127, -128), (127, 127), (127, -128), (0, -128)] {
                    Case::new(3, k, || w, || x).check(kernels, &format!("w {w} x {x:?}"));
                }
            }
        }
    }
}

#[test]
fn the_norm_of_the_low_plane_bounds_what_the_high_plane_leaves_open() {
    let mut random = Random(13);
    for k in K {
        let mut x = Random(random.bits());
        let case = Case::new(
            4,
            k,
            || random.byte().cast_signed(),
            || (x.byte().cast_signed().max(-127), x.byte().cast_signed()),
        );
        let squares: i64 = (0..k).map(|i| case.x(i) * case.x(i)).sum();
        for j in 0..case.n {
            let row = &case.rows[j * k..][..k];
            let open: i64 = row.iter().enumerate().map(|(i, w)| (2 * i64::from(w & 7) - 7) * case.x(i)).sum();
            let norm = low_norm(&case.low[j * low_row_bytes(k)..][..low_row_bytes(k)], k);
            let exact: i64 = row.iter().map(|w| (2 * i64::from(w & 7) - 7).pow(2)).sum();
            let norm = i64::from(norm);
            assert!(norm * norm >= exact && (norm == 0 || (norm - 1).pow(2) < exact), "k {k}");
            assert!(i128::from(open).pow(2) <= i128::from(norm * norm) * i128::from(squares), "k {k}");
        }
    }
}

#[test]
#[should_panic(expected = "planes start at a multiple of 16 bytes")]
fn unaligned_planes_are_a_bug_in_the_caller_on_every_machine() {
    let case = Case::new(1, 128, || 1, || (1, 1));
    let w = Buffer::shifted(&case.high, 8);
    scalar().gemv_i16_u5(&w, 1, 128, &case.x_high, &case.x_low, &mut [0]);
}

#[test]
#[should_panic(expected = "length of x_low is 64, expected 128")]
fn activations_that_are_not_padded_are_a_bug_in_the_caller() {
    let case = Case::new(1, 64, || 1, || (1, 1));
    scalar().gemv_i16_u3(&case.low, 1, 64, &case.x_high, &case.x_low[..64], &mut [0]);
}
