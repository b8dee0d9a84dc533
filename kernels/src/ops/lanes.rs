//! The sixteen lanes of every float reduction, and the tree that joins them.

/// Lanes of a reduction: element `i` goes to lane `i mod 16`. Two AVX2 or four NEON registers.
pub(crate) const LANES: usize = 16;

/// Folds every element into its lane, starting from `start`; a short tail touches only its own lanes.
#[inline(always)]
pub(crate) fn fold<T: Copy>(x: &[f32], start: T, join: impl Fn(T, f32) -> T) -> [T; LANES] {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut lane = [start; LANES];
    for x in chunks {
        for l in 0..LANES {
            lane[l] = join(lane[l], x[l]);
        }
    }
    for (lane, x) in lane.iter_mut().zip(tail) {
        *lane = join(*lane, *x);
    }
    lane
}

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
