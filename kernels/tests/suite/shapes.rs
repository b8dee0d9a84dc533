//! Sizes at every edge of the kernels' tiles, and the sizes of real models.

/// Reduction lengths: around one and two blocks, an odd number of blocks, the models' dims.
pub(crate) const K: [usize; 14] = [0, 1, 63, 64, 65, 127, 128, 129, 192, 432, 640, 2560, 6912, 14336];
/// Row counts around the row tiles.
pub(crate) const N: [usize; 5] = [0, 1, 3, 4, 9];
/// Token counts around the token tiles.
pub(crate) const M: [usize; 7] = [0, 1, 2, 4, 5, 7, 8];
/// The longest reduction an integer kernel takes.
pub(crate) const LONGEST: usize = 65536;
/// Lengths of vectors: around sixteen lanes, heads, dims.
pub(crate) const LENGTHS: [usize; 15] = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 128, 639, 2560];
