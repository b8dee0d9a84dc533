//! Floats as checkpoints store them, widened to f32
//!
//! Every conversion here is exact. Data in a safetensors file has no alignment, so elements are read from bytes.

use half::{bf16, f16};
use safetensors::Dtype;
use ternlet_runtime::format::Layout;

/// The element types that weights, norms and scales are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatType {
    F32,
    F16,
    Bf16,
}

impl FloatType {
    /// The float type of a safetensors dtype, if it is one we read.
    pub(super) fn of(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(Self::F32),
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }

    /// Size of an element in bytes.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The same elements as a layout of ours.
    pub(super) const fn layout(self) -> Layout {
        match self {
            Self::F32 => Layout::F32,
            Self::F16 => Layout::F16,
            Self::Bf16 => Layout::Bf16,
        }
    }

    /// The elements of `bytes`, widened; a tail shorter than an element is not read.
    pub(super) fn widen(self, bytes: &[u8]) -> Widened<'_> {
        match self {
            Self::F32 => Widened::F32(bytes.as_chunks().0.iter()),
            Self::F16 => Widened::F16(bytes.as_chunks().0.iter()),
            Self::Bf16 => Widened::Bf16(bytes.as_chunks().0.iter()),
        }
    }

    /// The one magnitude that all elements of `bytes` but zeros have; 0 where all are zero, none where there are two.
    pub(super) fn only_magnitude(self, bytes: &[u8]) -> Option<f32> {
        let mut magnitudes = self.widen(bytes).map(f32::abs).filter(|magnitude| *magnitude != 0.0);
        let Some(first) = magnitudes.next() else { return Some(0.0) };
        magnitudes.all(|magnitude| magnitude == first).then_some(first)
    }

    /// The index of the first element of `bytes` that is NaN or infinite.
    pub(super) fn first_not_finite(self, bytes: &[u8]) -> Option<(usize, f32)> {
        self.widen(bytes).enumerate().find(|(_, value)| !value.is_finite())
    }
}

/// An iterator over widened elements.
#[derive(Debug, Clone)]
pub(super) enum Widened<'a> {
    F32(std::slice::Iter<'a, [u8; 4]>),
    F16(std::slice::Iter<'a, [u8; 2]>),
    Bf16(std::slice::Iter<'a, [u8; 2]>),
}

impl Iterator for Widened<'_> {
    type Item = f32;

    #[inline]
    fn next(&mut self) -> Option<f32> {
        match self {
            Self::F32(elements) => elements.next().map(|&b| f32::from_le_bytes(b)),
            Self::F16(elements) => elements.next().map(|&b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16(elements) => elements.next().map(|&b| bf16::from_le_bytes(b).to_f32()),
        }
    }
}
