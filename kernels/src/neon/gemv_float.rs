//! Float GEMV: four registers hold the sixteen lanes of a row's reduction.
//!
//! Four rows make sixteen independent accumulators, enough for any core's latency, and share the loads of x.

use core::arch::aarch64::{
    float32x4_t, int8x16_t, uint16x8_t, vcvtq_f32_s32, vdup_n_f32, vdupq_n_f32, vfma_f32, vfmaq_f32,
    vget_lane_f32, vget_low_s8, vget_low_s16, vmovl_high_s8, vmovl_high_s16, vmovl_s8, vmovl_s16,
};

use super::half::{widen_bf16x8, widen_f16x8};
use super::load::{Aligned, Load, aligned};
use super::reduce::to_array;
use super::rows::{ROWS, rows_of};
use super::sum::{self, Lanes};
use crate::ops::half::{bf16_to_f32, f16_to_f32};
use crate::ops::lanes::LANES;

#[target_feature(enable = "neon")]
pub(super) fn gemv_f32_f32(w: &[f32], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv::<f32, [float32x4_t; 4]>(w, n, k, stride, x, out, |w| w, |w| w);
}

#[target_feature(enable = "neon")]
pub(super) fn gemv_f32_bf16(w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv::<u16, [uint16x8_t; 2]>(w, n, k, stride, x, out, |w| bf16_lanes(w), bf16_to_f32);
}

#[target_feature(enable = "neon")]
pub(super) fn gemv_f32_f16(w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]) {
    gemv::<u16, [uint16x8_t; 2]>(w, n, k, stride, x, out, |w| f16_lanes(w), f16_to_f32);
}

/// Sixteen bf16 as f32.
#[inline]
#[target_feature(enable = "neon")]
fn bf16_lanes([low, high]: [uint16x8_t; 2]) -> Lanes {
    let ([q0, q1], [q2, q3]) = (widen_bf16x8(low), widen_bf16x8(high));
    [q0, q1, q2, q3]
}

/// Sixteen binary16 as f32.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn f16_lanes([low, high]: [uint16x8_t; 2]) -> Lanes {
    let ([q0, q1], [q2, q3]) = (widen_f16x8(low), widen_f16x8(high));
    [q0, q1, q2, q3]
}

/// Sixteen signed bytes as f32.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn i8_lanes(w: int8x16_t) -> Lanes {
    let (low, high) = (vmovl_s8(vget_low_s8(w)), vmovl_high_s8(w));
    [
        vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
        vcvtq_f32_s32(vmovl_high_s16(low)),
        vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
        vcvtq_f32_s32(vmovl_high_s16(high)),
    ]
}

/// `wide` turns the registers of sixteen weights into f32, `widen` one weight.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemv<T: Copy, V>(
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    x: &[f32],
    out: &mut [f32],
    wide: impl Fn(V) -> Lanes,
    widen: impl Fn(T) -> f32,
) where
    [T; LANES]: Load<Vector = V>,
    Aligned<[T; LANES]>: Load<Vector = V>,
{
    let (x, x_tail) = x.as_chunks::<LANES>();
    for (tile, out) in out.chunks_mut(ROWS).enumerate() {
        let rows = rows_of(w, n, k, stride, tile);
        let chunks = |r: usize| rows[r].as_chunks::<LANES>().0;
        let natural = [chunks(0), chunks(1), chunks(2), chunks(3)];
        let [a, b, c, d] = natural;
        let mut lanes = match (aligned(a), aligned(b), aligned(c), aligned(d), aligned(x)) {
            (Some(a), Some(b), Some(c), Some(d), Some(x)) => dot_rows([a, b, c, d], x, &wide),
            _ => dot_rows(natural, x, &wide),
        };
        if !x_tail.is_empty() {
            for r in 0..ROWS {
                let mut array = to_array(lanes[r]);
                for ((lane, w), x) in array.iter_mut().zip(&rows[r][x.len() * LANES..]).zip(x_tail) {
                    *lane = fma(widen(*w), *x, *lane);
                }
                lanes[r] = array.load();
            }
        }
        out.copy_from_slice(&sum::trees(lanes)[..out.len()]);
    }
}

/// The lanes of `R` reductions over whole chunks.
#[inline]
#[target_feature(enable = "neon")]
fn dot_rows<W: Load, X: Load<Vector = Lanes>, const R: usize>(
    mut rows: [&[W]; R],
    x: &[X],
    wide: impl Fn(W::Vector) -> Lanes,
) -> [Lanes; R] {
    for row in &mut rows {
        *row = &row[..x.len()];
    }
    let mut lanes = [[vdupq_n_f32(0.0); 4]; R];
    for (i, x) in x.iter().enumerate() {
        let x = x.load();
        for r in 0..R {
            let w = wide(rows[r][i].load());
            for q in 0..4 {
                lanes[r][q] = vfmaq_f32(lanes[r][q], w[q], x[q]);
            }
        }
    }
    lanes
}

/// `a * b + c` rounded once.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn fma(a: f32, b: f32, c: f32) -> f32 {
    vget_lane_f32::<0>(vfma_f32(vdup_n_f32(c), vdup_n_f32(a), vdup_n_f32(b)))
}
