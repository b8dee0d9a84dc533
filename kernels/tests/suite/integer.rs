//! The int8 head: bit-exact to scalar at every edge.

use crate::inputs::{Buffer, Random, assert_same_bits, painted_i8};
use crate::shapes::{K, LONGEST, N};
use crate::{all, scalar};

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
