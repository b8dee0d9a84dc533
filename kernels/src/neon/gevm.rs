//! Weighted sum of rows: a strip of columns stays in registers while the rows go by.

use core::arch::aarch64::{float32x4_t, uint16x8_t, vdupq_n_f32, vfmaq_n_f32};

use super::gemv_float::{f16_lanes, fma};
use super::load::{Aligned, Load, aligned, store_f32x4};
use super::sum::Lanes;
use crate::ops::half::f16_to_f32;
use crate::ops::lanes::LANES;

/// Chunks of sixteen columns in a strip: 16 accumulators, 4 vectors of a row and one weight fit 32 registers.
const STRIP: usize = 4;

#[target_feature(enable = "neon")]
pub(super) fn gevm_f32_f32(a: &[f32], w: &[f32], _n: usize, k: usize, stride: usize, out: &mut [f32]) {
    gevm::<f32, [float32x4_t; 4]>(a, w, k, stride, out, |w| w, |w| w);
}

#[target_feature(enable = "neon")]
pub(super) fn gevm_f32_f16(a: &[f32], w: &[u16], _n: usize, k: usize, stride: usize, out: &mut [f32]) {
    gevm::<u16, [uint16x8_t; 2]>(a, w, k, stride, out, |w| f16_lanes(w), f16_to_f32);
}

/// `wide` turns the registers of sixteen weights into f32, `widen` one weight.
#[inline]
#[target_feature(enable = "neon")]
fn gevm<T: Copy, V>(
    a: &[f32],
    w: &[T],
    k: usize,
    stride: usize,
    out: &mut [f32],
    wide: impl Fn(V) -> Lanes,
    widen: impl Fn(T) -> f32,
) where
    [T; LANES]: Load<Vector = V>,
    Aligned<[T; LANES]>: Load<Vector = V>,
{
    // Every row starts aligned if the first does and the stride is whole vectors.
    let whole_stride = (stride * size_of::<T>()).is_multiple_of(16);
    let all_aligned = whole_stride && aligned(w.as_chunks::<LANES>().0).is_some();
    let row = |j: usize| w[j * stride..][..k].as_chunks::<LANES>().0;
    let aligned_row = |j: usize| aligned(row(j)).expect("a whole stride from an aligned row");

    let (chunks, tail) = out.as_chunks_mut::<LANES>();
    let n_chunks = chunks.len();
    let (strips, rest) = chunks.as_chunks_mut::<STRIP>();
    let n_in_strips = strips.len() * STRIP;
    for (strip, first) in strips.iter_mut().zip((0..).step_by(STRIP)) {
        if all_aligned {
            strip_sums::<_, STRIP>(a, aligned_row, first, strip, &wide);
        } else {
            strip_sums::<_, STRIP>(a, row, first, strip, &wide);
        }
    }
    for (chunk, first) in rest.iter_mut().zip(n_in_strips..) {
        let chunk = core::slice::from_mut(chunk);
        if all_aligned {
            strip_sums::<_, 1>(a, aligned_row, first, chunk, &wide);
        } else {
            strip_sums::<_, 1>(a, row, first, chunk, &wide);
        }
    }
    for (out, column) in tail.iter_mut().zip(n_chunks * LANES..) {
        *out = 0.0;
        for (j, a) in a.iter().enumerate() {
            *out = fma(*a, widen(w[j * stride + column]), *out);
        }
    }
}

/// `C` chunks of columns, from chunk `first` on.
#[inline]
#[target_feature(enable = "neon")]
fn strip_sums<'w, W: Load + 'w, const C: usize>(
    a: &[f32],
    row: impl Fn(usize) -> &'w [W],
    first: usize,
    out: &mut [[f32; LANES]],
    wide: impl Fn(W::Vector) -> Lanes,
) {
    let mut sums = [[vdupq_n_f32(0.0); 4]; C];
    for (j, a) in a.iter().enumerate() {
        let chunks = &row(j)[first..][..C];
        for c in 0..C {
            let w = wide(chunks[c].load());
            for q in 0..4 {
                sums[c][q] = vfmaq_n_f32(sums[c][q], w[q], *a);
            }
        }
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        for (quad, sum) in out.as_chunks_mut().0.iter_mut().zip(sums) {
            store_f32x4(quad, sum);
        }
    }
}
