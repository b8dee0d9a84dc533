//! The gated units of the feed-forward block.

use super::exp::exp;

#[inline(always)]
pub(crate) fn relu2_mul(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        // A comparison rather than `max`, so that a NaN stays visible.
        let relu = if *gate < 0.0 { 0.0 } else { *gate };
        *gate = relu * relu * up;
    }
}

#[inline(always)]
pub(crate) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}
