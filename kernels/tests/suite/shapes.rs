//! Sizes at every edge of the kernels' tiles, and the sizes of real models.

/// Reduction lengths: around one and two blocks of every layout, the models' dims.
pub(crate) const K: [usize; 20] =
    [0, 1, 2, 63, 64, 65, 80, 81, 127, 128, 129, 161, 192, 383, 384, 385, 640, 1100, 2560, 6912];
/// Row counts around the row tiles.
pub(crate) const N: [usize; 6] = [0, 1, 3, 4, 9, 33];
/// Token counts around the token tiles.
pub(crate) const M: [usize; 7] = [0, 1, 2, 4, 5, 7, 8];
/// The longest reduction an integer kernel takes.
pub(crate) const LONGEST: usize = 65536;
/// Lengths of vectors: around sixteen lanes, heads, dims.
pub(crate) const LENGTHS: [usize; 15] = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 128, 639, 2560];
