//! The shared operations of `ops`, sixteen aligned elements at a time.
//!
//! Under strict alignment the compiler assembles a vector from slices of f32 element by element. Chunks whose type is
//! aligned are copied to a local and back with whole registers, and the operation runs on the local. Where a slice is
//! not aligned, the operation runs on the slice.

use super::load::{aligned, aligned_mut};
use super::{half, reduce};
use crate::ops::lanes::LANES;
use crate::ops::quantise::{self, STEPS_I8, STEPS_I16, Scale};
use crate::ops::{self, activation, softmax, vector};

/// Runs `op(out, x, y)` over three slices of one length.
#[inline(always)]
fn map<A: Copy, B: Copy, C: Copy>(out: &mut [A], x: &[B], y: &[C], op: impl Fn(&mut [A], &[B], &[C])) {
    let (x_chunks, x_tail) = x.as_chunks::<LANES>();
    let (y_chunks, y_tail) = y.as_chunks::<LANES>();
    let (out_chunks, out_tail) = out.as_chunks_mut::<LANES>();
    match (aligned_mut(out_chunks), aligned(x_chunks), aligned(y_chunks)) {
        (Some(out), Some(x), Some(y)) => {
            for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
                let (mut local, x, y) = (*out, *x, *y);
                op(&mut local.0, &x.0, &y.0);
                *out = local;
            }
        }
        _ => op(out_chunks.as_flattened_mut(), x_chunks.as_flattened(), y_chunks.as_flattened()),
    }
    op(out_tail, x_tail, y_tail);
}

/// [`map`] with one slice.
#[inline(always)]
fn map_in_place(out: &mut [f32], op: impl Fn(&mut [f32])) {
    let (chunks, tail) = out.as_chunks_mut::<LANES>();
    match aligned_mut(chunks) {
        Some(chunks) => {
            for chunk in chunks {
                let mut local = *chunk;
                op(&mut local.0);
                *chunk = local;
            }
        }
        None => op(chunks.as_flattened_mut()),
    }
    op(tail);
}

#[target_feature(enable = "neon")]
pub(super) fn softmax(x: &mut [f32]) {
    let highest = reduce::max(x);
    map_in_place(x, |x| softmax::exp_minus(x, highest));
    let sum = reduce::sum(x);
    map_in_place(x, |x| softmax::divide(x, sum));
}

#[target_feature(enable = "neon")]
pub(super) fn quantise_i8(x: &[f32], q: &mut [i8]) -> f32 {
    let (q, padding) = q.split_at_mut(x.len());
    padding.fill(0);
    let Scale { inverse, scale } = Scale::of(reduce::absmax(x), STEPS_I8);
    match inverse {
        Some(inverse) => map(q, x, x, |q, x, _| quantise::round_i8(x, inverse, q)),
        None => q.fill(0),
    }
    scale
}

#[target_feature(enable = "neon")]
pub(super) fn quantise_i16(x: &[f32], high: &mut [i8], low: &mut [i8]) -> f32 {
    let Scale { inverse, scale } = Scale::of(reduce::absmax(x), STEPS_I16);
    match inverse {
        Some(inverse) => quantise::round_i16(x, inverse, high, low),
        None => {
            high.fill(0);
            low.fill(0);
        }
    }
    scale
}

pub(super) fn rescale(acc: &[i32], scale: f32, out: &mut [f32]) {
    map(out, acc, acc, |out, acc, _| vector::rescale(acc, scale, out));
}

pub(super) fn scale_mul(x: &[f32], s: f32, w: &[f32], out: &mut [f32]) {
    map(out, x, w, |out, x, w| vector::scale_mul(x, s, w, out));
}

pub(super) fn add_assign(x: &mut [f32], y: &[f32]) {
    map(x, y, y, |x, y, _| vector::add_assign(x, y));
}

pub(super) fn mul_assign(x: &mut [f32], y: &[f32]) {
    map(x, y, y, |x, y, _| vector::mul_assign(x, y));
}

pub(super) fn relu2_mul(gate: &mut [f32], up: &[f32]) {
    map(gate, up, up, |gate, up, _| activation::relu2_mul(gate, up));
}

pub(super) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    map(gate, up, up, |gate, up, _| activation::silu_mul(gate, up));
}

pub(super) fn rope(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (first, second) = head.split_at_mut(cos.len());
    let (first, first_tail) = first.as_chunks_mut::<LANES>();
    let (second, second_tail) = second.as_chunks_mut::<LANES>();
    let (cos, cos_tail) = cos.as_chunks::<LANES>();
    let (sin, sin_tail) = sin.as_chunks::<LANES>();
    match (aligned_mut(first), aligned_mut(second), aligned(cos), aligned(sin)) {
        (Some(first), Some(second), Some(cos), Some(sin)) => {
            for (((first, second), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let (mut a, mut b, cos, sin) = (*first, *second, *cos, *sin);
                vector::rotate(&mut a.0, &mut b.0, &cos.0, &sin.0);
                (*first, *second) = (a, b);
            }
        }
        _ => vector::rotate(
            first.as_flattened_mut(),
            second.as_flattened_mut(),
            cos.as_flattened(),
            sin.as_flattened(),
        ),
    }
    vector::rotate(first_tail, second_tail, cos_tail, sin_tail);
}

#[target_feature(enable = "neon")]
pub(super) fn f32_to_f16(x: &[f32], out: &mut [u16]) {
    map(out, x, x, |out, x, _| half::f32_to_f16(x, out));
}

#[target_feature(enable = "neon")]
pub(super) fn widen_f16(x: &[u16], out: &mut [f32]) {
    map(out, x, x, |out, x, _| half::widen_f16(x, out));
}

pub(super) fn widen_bf16(x: &[u16], out: &mut [f32]) {
    map(out, x, x, |out, x, _| ops::half::widen_bf16(x, out));
}
