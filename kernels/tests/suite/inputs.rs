//! Inputs: buffers at a chosen alignment, painted patterns, and a seeded generator.

use core::ops::{Deref, DerefMut};

use ternlet_kernels::layout::{TernaryLayout, i2};

/// A slice that starts a chosen number of elements past a 64-byte boundary.
pub(crate) struct Buffer<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Buffer<T> {
    /// 64-byte aligned.
    pub(crate) fn aligned(values: &[T]) -> Self {
        Self::shifted(values, 0)
    }

    /// `shift` elements past the alignment.
    pub(crate) fn shifted(values: &[T], shift: usize) -> Self {
        let spare = 64 / size_of::<T>() + shift;
        let mut data = vec![T::default(); values.len() + spare];
        let start = data.as_ptr().align_offset(64) + shift;
        data[start..start + values.len()].copy_from_slice(values);
        Self { data, start, len: values.len() }
    }

    pub(crate) fn zeroed(len: usize) -> Self {
        Self::aligned(&vec![T::default(); len])
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// `i mod 251`, 251 being prime to every tile size: a misplaced element shows.
pub(crate) fn painted_i8(len: usize) -> Vec<i8> {
    (0..len).map(|i| ((i % 251) as i16 - 125) as i8).collect()
}

/// Activations `[m, k_padded]`: each row filled by `value(t, i)` up to `k`, zero after.
pub(crate) fn activations(m: usize, k: usize, value: impl Fn(usize, usize) -> i8) -> Buffer<i8> {
    let padded = i2::k_padded(k);
    let mut x = Buffer::zeroed(m * padded);
    for t in 0..m {
        for i in 0..k {
            x[t * padded + i] = value(t, i);
        }
    }
    x
}

/// A packed matrix `[n, k]` with the trits `value(j, i)`.
pub(crate) fn ternary(
    layout: TernaryLayout,
    n: usize,
    k: usize,
    value: impl Fn(usize, usize) -> i8,
) -> Buffer<u8> {
    let rows = layout.tile_rows();
    let mut w = Buffer::zeroed(layout.matrix_bytes(n, k));
    for (tile, packed) in w.chunks_exact_mut((rows * layout.row_bytes(k)).max(1)).enumerate() {
        let row = |r: usize| tile * rows + r;
        let trit = |r: usize, i: usize| if row(r) < n { value(row(r), i) } else { 0 };
        let trits: Vec<i8> =
            (0..rows).flat_map(|r| (0..k).map(move |i| (r, i))).map(|(r, i)| trit(r, i)).collect();
        layout.pack(&trits, k, packed);
    }
    w
}

/// The weights `[n, k]` of any bytes, as the layout's definition reads them.
pub(crate) fn unpacked(layout: TernaryLayout, w: &[u8], n: usize, k: usize) -> Vec<i8> {
    let rows = layout.tile_rows();
    let mut trits = vec![0; n.next_multiple_of(rows) * k];
    let tile_bytes = (rows * layout.row_bytes(k)).max(1);
    for (trits, packed) in trits.chunks_exact_mut((rows * k).max(1)).zip(w.chunks_exact(tile_bytes)) {
        layout.unpack(packed, k, trits);
    }
    trits.truncate(n * k);
    trits
}

/// Steele, Lea and Flood's `SplitMix64`: small, seeded, the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bits().to_le_bytes()[0]
    }

    /// In -1..1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// Any finite f32: all exponents, subnormals and zeros among them.
    pub(crate) fn finite(&mut self) -> f32 {
        loop {
            let v = f32::from_bits((self.bits() >> 32) as u32);
            if v.is_finite() {
                return v;
            }
        }
    }

    /// Ordinary values with the odd zero of either sign and subnormal among them.
    pub(crate) fn mixed(&mut self) -> f32 {
        match self.byte() {
            0..8 => 0.0,
            8..16 => -0.0,
            16..24 => f32::from_bits(self.byte().into()),
            _ => self.unit() * 4.0,
        }
    }

    pub(crate) fn vector(&mut self, len: usize, value: impl Fn(&mut Self) -> f32) -> Vec<f32> {
        (0..len).map(|_| value(self)).collect()
    }
}

/// Asserts the same bits, NaNs of any kind being alike.
#[track_caller]
pub(crate) fn assert_same_bits(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
        assert!(same, "{what}: element {i} is {found:e}, expected {expected:e}");
    }
}
