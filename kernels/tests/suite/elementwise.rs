//! Elementwise operations: the same bits as scalar over all of f32, and near the true value.

use crate::inputs::{Buffer, Random, assert_same_bits};
use crate::shapes::LENGTHS;
use crate::{all, scalar, tolerance};
use ternlet_kernels::Kernels;

/// An operation that overwrites `[len]`, given three vectors of `[len]`.
type InPlace = fn(&Kernels, &mut [f32], &[f32], &[f32]);

const OPERATIONS: [(&str, InPlace); 6] = [
    ("scale_mul", |kernels, out, x, y| kernels.scale_mul(x, 0.7, y, out)),
    ("add_assign", |kernels, out, x, _| kernels.add_assign(out, x)),
    ("mul_assign", |kernels, out, x, _| kernels.mul_assign(out, x)),
    ("relu2_mul", |kernels, out, x, _| kernels.relu2_mul(out, x)),
    ("silu_mul", |kernels, out, x, _| kernels.silu_mul(out, x)),
    ("rope", |kernels, out, x, y| {
        let half = out.len() / 2;
        kernels.rope(&mut out[..2 * half], &x[..half], &y[..half]);
    }),
];

fn special(random: &mut Random) -> f32 {
    match random.byte() {
        0..4 => f32::NAN,
        4..8 => f32::INFINITY,
        8..12 => f32::NEG_INFINITY,
        12..128 => random.finite(),
        _ => random.mixed(),
    }
}

#[test]
fn every_operation_equals_scalar_on_all_kinds_of_numbers() {
    let mut random = Random(11);
    for (name, operation) in OPERATIONS {
        for len in LENGTHS {
            let [start, x, y] = [(); 3].map(|()| random.vector(len, special));
            let mut expected = start.clone();
            operation(scalar(), &mut expected, &x, &y);
            for kernels in all() {
                for shift in [0, 1] {
                    let mut out = Buffer::shifted(&start, shift);
                    operation(kernels, &mut out, &Buffer::shifted(&x, shift), &Buffer::shifted(&y, shift));
                    assert_same_bits(&out, &expected, &format!("{name} {kernels:?} len {len} shift {shift}"));
                }
            }
        }
    }
}

#[test]
fn rescale_equals_scalar() {
    let mut random = Random(12);
    for len in LENGTHS {
        let acc: Vec<i32> = (0..len).map(|_| (random.bits() >> (32 + random.byte() % 16)) as i32).collect();
        let expected: Vec<f32> = acc.iter().map(|acc| *acc as f32 * 0.013).collect();
        for kernels in all() {
            let mut out = vec![f32::NAN; len];
            kernels.rescale(&acc, 0.013, &mut out);
            assert_same_bits(&out, &expected, &format!("{kernels:?} len {len}"));
        }
    }
}

#[test]
fn activations_are_near_their_true_values() {
    let mut random = Random(13);
    let near = |found: f32, exact: f64, relative: f64| {
        let bound = relative * exact.abs() + f64::from(f32::MIN_POSITIVE);
        assert!((f64::from(found) - exact).abs() <= bound, "{found} is not near {exact}");
    };
    for _ in 0..20_000 {
        let (gate, up) = (random.unit() * 30.0, random.unit());
        let mut out = [gate];
        scalar().silu_mul(&mut out, &[up]);
        let (g, u) = (f64::from(gate), f64::from(up));
        near(out[0], g / (1.0 + (-g).exp()) * u, tolerance::SILU);
        let mut out = [gate];
        scalar().relu2_mul(&mut out, &[up]);
        near(out[0], g.max(0.0).powi(2) * u, tolerance::ELEMENTWISE);
    }
}

#[test]
fn rope_rotates_pairs_half_a_head_apart() {
    for kernels in all() {
        let mut head = [1.0, 2.0, 3.0, 4.0];
        kernels.rope(&mut head, &[0.0, 1.0], &[1.0, 0.0]);
        assert_eq!(head, [-3.0, 2.0, 1.0, 4.0], "{kernels:?}");
    }
}

#[test]
fn widening_equals_scalar_for_every_half() {
    let all_halves: Vec<u16> = (0..=u16::MAX).collect();
    let mut expected = vec![0.0; all_halves.len()];
    scalar().widen_f16(&all_halves, &mut expected);
    assert_eq!((expected[0x3c00], expected[0x0001], expected[0xfbff]), (1.0, 2f32.powi(-24), -65504.0));
    for kernels in all() {
        for shift in [0, 1] {
            let halves = Buffer::shifted(&all_halves, shift);
            let mut out = vec![0.0; halves.len()];
            kernels.widen_f16(&halves, &mut out);
            let same = out.iter().zip(&expected).all(|(out, expected)| out.to_bits() == expected.to_bits());
            assert!(same, "f16 {kernels:?}");
            kernels.widen_bf16(&halves, &mut out);
            let same = out.iter().zip(&*halves).all(|(out, half)| out.to_bits() == u32::from(*half) << 16);
            assert!(same, "bf16 {kernels:?}");
        }
    }
}

#[test]
fn narrowing_equals_scalar_on_all_kinds_of_numbers() {
    let mut random = Random(14);
    let mut x = random.vector(100_003, special);
    x.extend(random.vector(100_000, |random| random.unit() * 1e-5));
    x.extend(random.vector(100_000, |random| random.unit() * 70_000.0));
    let mut expected = vec![0; x.len()];
    scalar().f32_to_f16(&x, &mut expected);
    for kernels in all() {
        for shift in [0, 1] {
            let x = Buffer::shifted(&x, shift);
            let mut out = vec![0; x.len()];
            kernels.f32_to_f16(&x, &mut out);
            for ((x, out), expected) in x.iter().zip(&out).zip(&expected) {
                assert_eq!(out, expected, "{kernels:?} {x:e}");
            }
        }
    }
}
