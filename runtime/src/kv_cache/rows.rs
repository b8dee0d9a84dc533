//! Single rows as little-endian bytes, for prefix files
//!
//! Without padding, the scale of an int8 row before it; any bytes may come back in, as floats and bytes are defined for
//! every bit pattern.

use super::{Head, KvCache, Storage};

/// Which row of a head at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

impl KvCache<'_> {
    /// Bytes of one row.
    pub(crate) const fn row_bytes(&self) -> usize {
        match self.storage {
            Storage::F16 { .. } => self.head_dim * 2,
            Storage::F32 { .. } => self.head_dim * 4,
            Storage::I8 { .. } => size_of::<f32>() + self.head_dim,
        }
    }

    /// Copies a row to `out: [row_bytes]`.
    pub(crate) fn copy_row(&self, head: Head, pos: usize, part: Part, out: &mut [u8]) {
        let index = self.first_row(head) + pos;
        let row = index * self.stride..index * self.stride + self.head_dim;
        match &self.storage {
            Storage::F16 { keys, values } => {
                let stored = if part == Part::Key { keys } else { values };
                for (bytes, v) in out.as_chunks_mut().0.iter_mut().zip(&stored[row]) {
                    *bytes = v.to_le_bytes();
                }
            }
            Storage::F32 { keys, values } => {
                let stored = if part == Part::Key { keys } else { values };
                for (bytes, v) in out.as_chunks_mut().0.iter_mut().zip(&stored[row]) {
                    *bytes = v.to_le_bytes();
                }
            }
            Storage::I8 { keys, values, key_scales, value_scales } => {
                let key = part == Part::Key;
                let (stored, scales) = if key { (keys, key_scales) } else { (values, value_scales) };
                let (scale, codes) = out.split_at_mut(size_of::<f32>());
                scale.copy_from_slice(&scales[index].to_le_bytes());
                for (byte, v) in codes.iter_mut().zip(&stored[row]) {
                    *byte = v.cast_unsigned();
                }
            }
        }
    }

    /// Replaces a row by `bytes: [row_bytes]`.
    pub(crate) fn set_row(&mut self, head: Head, pos: usize, part: Part, bytes: &[u8]) {
        let index = self.first_row(head) + pos;
        let row = index * self.stride..index * self.stride + self.head_dim;
        match &mut self.storage {
            Storage::F16 { keys, values } => {
                let stored = if part == Part::Key { keys } else { values };
                for (v, bytes) in stored[row].iter_mut().zip(bytes.as_chunks().0) {
                    *v = u16::from_le_bytes(*bytes);
                }
            }
            Storage::F32 { keys, values } => {
                let stored = if part == Part::Key { keys } else { values };
                for (v, bytes) in stored[row].iter_mut().zip(bytes.as_chunks().0) {
                    *v = f32::from_le_bytes(*bytes);
                }
            }
            Storage::I8 { keys, values, key_scales, value_scales } => {
                let key = part == Part::Key;
                let (stored, scales) = if key { (keys, key_scales) } else { (values, value_scales) };
                if let Some((scale, codes)) = bytes.split_first_chunk() {
                    scales[index] = f32::from_le_bytes(*scale);
                    for (v, byte) in stored[row].iter_mut().zip(codes) {
                        *v = byte.cast_signed();
                    }
                }
            }
        }
    }
}
