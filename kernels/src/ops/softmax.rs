//! Softmax over one row of scores, in two passes over the row.

use super::exp::exp;
use super::lanes;

#[inline(always)]
pub(crate) fn softmax(x: &mut [f32]) {
    let highest = max(x);
    exp_minus(x, highest);
    let sum = sum(x);
    divide(x, sum);
}

/// The largest element, NaNs ignored: whatever order it is taken in, only the sign of a zero could differ, and
/// `x - max` does not show it.
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    lanes::fold(x, f32::NEG_INFINITY, larger).into_iter().fold(f32::NEG_INFINITY, larger)
}

/// `x[i] = exp(x[i] - highest)`.
#[inline(always)]
pub(crate) fn exp_minus(x: &mut [f32], highest: f32) {
    for x in x {
        *x = exp(*x - highest);
    }
}

/// `Σ x[i]` by plain additions.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    lanes::tree(lanes::fold(x, 0.0, |lane, x| lane + x))
}

/// `x[i] /= sum`.
#[inline(always)]
pub(crate) fn divide(x: &mut [f32], sum: f32) {
    for x in x {
        *x /= sum;
    }
}
