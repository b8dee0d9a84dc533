//! Reductions of one vector: sixteen lanes in four registers, the tail in its own lanes.

use core::arch::aarch64::{
    float32x4_t, vabsq_f32, vaddq_f32, vbslq_f32, vcgtq_f32, vdupq_n_f32, vfmaq_f32, vmaxq_u32,
    vreinterpretq_f32_u32, vreinterpretq_u32_f32,
};

use super::gemv_float::fma;
use super::load::{Load, aligned, store_f32x4};
use super::sum::Lanes;
use crate::ops::lanes::{LANES, tree};

/// `Σ x[i]²`, products fused.
#[target_feature(enable = "neon")]
pub(super) fn sum_squares(x: &[f32]) -> f32 {
    tree(fold(x, 0.0, |lanes, x| vfmaq_f32(lanes, x, x), |lane, x| fma(x, x, lane)))
}

/// `Σ x[i]` by plain additions.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn sum(x: &[f32]) -> f32 {
    tree(fold(x, 0.0, |lanes, x| vaddq_f32(lanes, x), |lane, x| lane + x))
}

/// The largest element, NaNs ignored.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn max(x: &[f32]) -> f32 {
    let larger = |most: f32, x: f32| if x > most { x } else { most };
    let lanes = fold(x, f32::NEG_INFINITY, |most, x| vbslq_f32(vcgtq_f32(x, most), x, most), larger);
    lanes.into_iter().fold(f32::NEG_INFINITY, larger)
}

/// `max |x[i]|`; a NaN wins over everything, because its bits without the sign are the largest integers.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn absmax(x: &[f32]) -> f32 {
    let larger = |most: f32, x: f32| f32::from_bits(most.to_bits().max(x.to_bits() & 0x7fff_ffff));
    let larger_wide = |most, x| {
        let (most, x) = (vreinterpretq_u32_f32(most), vreinterpretq_u32_f32(vabsq_f32(x)));
        vreinterpretq_f32_u32(vmaxq_u32(most, x))
    };
    fold(x, 0.0, larger_wide, larger).into_iter().fold(0.0, larger)
}

/// Folds every element into its lane, starting from `start`.
#[inline]
#[target_feature(enable = "neon")]
fn fold(
    x: &[f32],
    start: f32,
    join_wide: impl Fn(float32x4_t, float32x4_t) -> float32x4_t,
    join: impl Fn(f32, f32) -> f32,
) -> [f32; LANES] {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let lanes = match aligned(chunks) {
        Some(chunks) => fold_chunks(chunks, start, join_wide),
        None => fold_chunks(chunks, start, join_wide),
    };
    let mut lanes = to_array(lanes);
    for (lane, x) in lanes.iter_mut().zip(tail) {
        *lane = join(*lane, *x);
    }
    lanes
}

#[inline]
#[target_feature(enable = "neon")]
fn fold_chunks<C: Load<Vector = Lanes>>(
    chunks: &[C],
    start: f32,
    join: impl Fn(float32x4_t, float32x4_t) -> float32x4_t,
) -> Lanes {
    let mut lanes = [vdupq_n_f32(start); 4];
    for chunk in chunks {
        let x = chunk.load();
        for q in 0..4 {
            lanes[q] = join(lanes[q], x[q]);
        }
    }
    lanes
}

/// The lanes in order.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn to_array(lanes: Lanes) -> [f32; LANES] {
    let mut array = [0.0; LANES];
    for (quad, lanes) in array.as_chunks_mut().0.iter_mut().zip(lanes) {
        store_f32x4(quad, lanes);
    }
    array
}
