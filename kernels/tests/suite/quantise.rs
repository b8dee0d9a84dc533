//! Quantisers: the same bits as scalar, the definition's values, and no harm from NaN.

use ternlet_kernels::layout::i2;

use crate::inputs::{Buffer, Random};
use crate::shapes::LENGTHS;
use crate::{all, scalar};

#[test]
fn eight_bits_follow_the_definition_and_equal_scalar() {
    let mut random = Random(8);
    for k in LENGTHS {
        let x = random.vector(k, Random::mixed);
        let absmax = x.iter().fold(1e-5_f32, |most, x| most.max(x.abs()));
        let expected: Vec<i8> = x.iter().map(|x| (x * (127.0 / absmax)).round_ties_even() as i8).collect();
        for kernels in all() {
            for shift in [0, 1] {
                let x = Buffer::shifted(&x, shift);
                let mut q = Buffer::shifted(&vec![99; i2::k_padded(k)], shift);
                let scale = kernels.quantise_i8(&x, &mut q);
                assert_eq!(scale.to_bits(), (absmax / 127.0).to_bits(), "{kernels:?} k {k}");
                assert_eq!(q[..k], expected, "{kernels:?} k {k}");
                assert!(q[k..].iter().all(|q| *q == 0), "{kernels:?} k {k}: padding");
            }
        }
    }
}

#[test]
fn sixteen_bits_follow_the_definition_and_equal_scalar() {
    let mut random = Random(9);
    for k in LENGTHS {
        let x = random.vector(k, Random::mixed);
        let absmax = x.iter().fold(1e-5_f32, |most, x| most.max(x.abs()));
        let expected: Vec<i32> =
            x.iter().map(|x| (x * (32512.0 / absmax)).round_ties_even() as i32).collect();
        for kernels in all() {
            let (mut high, mut low) = (vec![99; k], vec![99; k]);
            let scale = kernels.quantise_i16(&x, &mut high, &mut low);
            assert_eq!(scale.to_bits(), (absmax / 32512.0).to_bits(), "{kernels:?} k {k}");
            let joined: Vec<i32> =
                high.iter().zip(&low).map(|(h, l)| 256 * i32::from(*h) + i32::from(*l)).collect();
            assert_eq!(joined, expected, "{kernels:?} k {k}");
            assert!(high.iter().all(|high| *high >= -127), "{kernels:?} k {k}");
        }
    }
}

#[test]
fn the_extremes_reach_the_last_step_and_no_further() {
    let mut random = Random(10);
    for kernels in all() {
        for _ in 0..2000 {
            let most = random.finite();
            let (x, mut q) = ([most, -most], [0; 64]);
            let _ = kernels.quantise_i8(&x, &mut q);
            let (mut high, mut low) = ([0; 2], [0; 2]);
            let _ = kernels.quantise_i16(&x, &mut high, &mut low);
            if most.abs() >= 1e-5 {
                let sign = if most > 0.0 { 1 } else { -1 };
                assert_eq!(q[..2], [127 * sign, -127 * sign], "{kernels:?} {most:e}");
                assert_eq!((high, low), ([127 * sign, -127 * sign], [0, 0]), "{kernels:?} {most:e}");
            }
        }
    }
}

#[test]
fn a_token_that_is_not_finite_quantises_to_zero_with_a_scale_that_says_so() {
    for kernels in all() {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 17, 39] {
                let mut x = [0.5; 40];
                x[at] = bad;
                let mut q = [99; 64];
                let scale = kernels.quantise_i8(&x, &mut q);
                assert!(!scale.is_finite() && q == [0; 64], "{kernels:?}");
                let (mut high, mut low) = ([99; 40], [99; 40]);
                let scale = kernels.quantise_i16(&x, &mut high, &mut low);
                assert!(!scale.is_finite() && high == [0; 40] && low == [0; 40], "{kernels:?}");
            }
        }
        let mut q = [99; 64];
        assert_eq!(kernels.quantise_i8(&[0.0, -0.0], &mut q), 1e-5_f32 / 127.0);
        assert_eq!(q, [0; 64]);
    }
    let _ = scalar();
}
