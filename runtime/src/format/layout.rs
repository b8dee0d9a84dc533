//! How a tensor's elements lie in its bytes
//!
//! A code per layout; later layouts add codes, never fields. The ternary layouts themselves are defined in
//! `ternlet_kernels::layout`, one file each.

use super::error::LoadError;
use ternlet_kernels::layout::i2;

/// The element layout of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// bfloat16: the upper half of an IEEE binary32.
    Bf16,
    /// Signed bytes, with one f32 scale per row in a tensor of its own.
    I8,
    /// Two bits per trit in four planes: `ternlet_kernels::layout::i2`.
    I2,
}

impl Layout {
    /// The layout's code in a directory entry.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::F32 => 1,
            Self::F16 => 2,
            Self::Bf16 => 3,
            Self::I8 => 4,
            Self::I2 => 16,
        }
    }

    /// The layout with this code.
    ///
    /// # Errors
    /// [`LoadError::UnknownLayout`] naming the directory entry `index`.
    pub const fn from_code(code: u16, index: u32) -> Result<Self, LoadError> {
        match code {
            1 => Ok(Self::F32),
            2 => Ok(Self::F16),
            3 => Ok(Self::Bf16),
            4 => Ok(Self::I8),
            16 => Ok(Self::I2),
            _ => Err(LoadError::UnknownLayout { index, found: code }),
        }
    }

    /// The layout's printable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I8 => "i8",
            Self::I2 => "i2",
        }
    }

    /// Bytes of one row of `k` elements, padding included.
    #[must_use]
    pub const fn row_bytes(self, k: u64) -> u64 {
        match self {
            Self::F32 => k * 4,
            Self::F16 | Self::Bf16 => k * 2,
            Self::I8 => k,
            Self::I2 => k.div_ceil(i2::BLOCK as u64) * i2::BLOCK_BYTES as u64,
        }
    }

    /// Whether elements are trits under one tensor scale.
    #[must_use]
    pub const fn is_ternary(self) -> bool {
        matches!(self, Self::I2)
    }
}
