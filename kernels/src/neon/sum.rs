//! Sums across the lanes of registers.

use core::arch::aarch64::{
    float32x4_t, int32x4_t, vaddq_f32, vgetq_lane_f32, vgetq_lane_s32, vpaddq_f32, vpaddq_s32,
    vreinterpretq_f32_f64, vreinterpretq_f64_f32, vzip1q_f64, vzip2q_f64,
};

use super::rows::ROWS;

/// The sum of each of four int32 vectors.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn across4([a, b, c, d]: [int32x4_t; ROWS]) -> [i32; ROWS] {
    let sums = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
    [
        vgetq_lane_s32::<0>(sums),
        vgetq_lane_s32::<1>(sums),
        vgetq_lane_s32::<2>(sums),
        vgetq_lane_s32::<3>(sums),
    ]
}

/// The sixteen lanes of one reduction, four to a register.
pub(super) type Lanes = [float32x4_t; 4];

/// The tree `+ 8, + 4, + 2, + 1` of four reductions at once, the same additions as `ops::lanes::tree`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn trees([a, b, c, d]: [Lanes; ROWS]) -> [f32; ROWS] {
    let four =
        |[q0, q1, q2, q3]: Lanes| vreinterpretq_f64_f32(vaddq_f32(vaddq_f32(q0, q2), vaddq_f32(q1, q3)));
    // Lanes 0, 1 of two rows plus lanes 2, 3 of the same; the pairwise addition is the last step.
    let two =
        |x, y| vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(x, y)), vreinterpretq_f32_f64(vzip2q_f64(x, y)));
    let sums = vpaddq_f32(two(four(a), four(b)), two(four(c), four(d)));
    [
        vgetq_lane_f32::<0>(sums),
        vgetq_lane_f32::<1>(sums),
        vgetq_lane_f32::<2>(sums),
        vgetq_lane_f32::<3>(sums),
    ]
}
