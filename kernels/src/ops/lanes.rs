//! The sixteen lanes of every float reduction, and the tree that joins them.

/// Lanes of a reduction: element `i` goes to lane `i mod 16`. Two AVX2 or four NEON registers.
pub(crate) const LANES: usize = 16;

/// Joins the lanes: `lane[i] += lane[i + step]` for steps 8, 4, 2, 1.
#[inline(always)]
pub(crate) fn tree(mut lane: [f32; LANES]) -> f32 {
    for step in [8, 4, 2, 1] {
        for i in 0..step {
            lane[i] += lane[i + step];
        }
    }
    lane[0]
}

/// `Σ x[i]` by plain additions.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut lane = [0.0; LANES];
    let (chunks, tail) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for l in 0..LANES {
            lane[l] += chunk[l];
        }
    }
    for (lane, x) in lane.iter_mut().zip(tail) {
        *lane += x;
    }
    tree(lane)
}
