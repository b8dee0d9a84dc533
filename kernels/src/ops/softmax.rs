//! Softmax over one row of scores, in two passes over the row.

use super::exp::exp;
use super::lanes;

#[inline(always)]
pub(crate) fn softmax(x: &mut [f32]) {
    let highest = max(x);
    for x in x.iter_mut() {
        *x = exp(*x - highest);
    }
    let sum = lanes::sum(x);
    for x in x.iter_mut() {
        *x /= sum;
    }
}

/// The largest element, NaNs ignored: whatever order it is taken in, only the sign of a zero could differ, and
/// `x - max` does not show it.
#[inline(always)]
fn max(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lane = [f32::NEG_INFINITY; lanes::LANES];
    let (chunks, tail) = x.as_chunks::<{ lanes::LANES }>();
    for chunk in chunks {
        for l in 0..lanes::LANES {
            lane[l] = larger(lane[l], chunk[l]);
        }
    }
    tail.iter().chain(&lane).copied().fold(f32::NEG_INFINITY, larger)
}
