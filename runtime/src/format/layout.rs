//! How a tensor's elements lie in its bytes
//!
//! A code per layout and one for the order of rows and columns; later layouts add codes, never fields. The ternary
//! layouts themselves are defined in `ternlet_kernels::layout`, one file each.

use super::error::LoadError;
use ternlet_kernels::layout::{TernaryLayout, i8_split};

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
    /// The high five bits of signed bytes: `ternlet_kernels::layout::i8_split`. Row scales, bounds and the low plane
    /// follow in tensors of their own.
    I8Split,
    /// The low three bits of the same bytes.
    I8Low,
    /// Two bits per trit in four planes: `ternlet_kernels::layout::i2`.
    I2,
    /// Two bits per trit, pairs that index a table, 32 rows side by side: `ternlet_kernels::layout::tl1`.
    Tl1,
    /// Five bits per three trits: `ternlet_kernels::layout::tl2`.
    Tl2,
    /// Five trits a byte: `ternlet_kernels::layout::t5`.
    T5,
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
            Self::I8Split => 5,
            Self::I8Low => 6,
            Self::I2 => 16,
            Self::Tl1 => 17,
            Self::Tl2 => 18,
            Self::T5 => 19,
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
            5 => Ok(Self::I8Split),
            6 => Ok(Self::I8Low),
            16 => Ok(Self::I2),
            17 => Ok(Self::Tl1),
            18 => Ok(Self::Tl2),
            19 => Ok(Self::T5),
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
            Self::I8Split => "i8-split",
            Self::I8Low => "i8-low",
            Self::I2 => TernaryLayout::I2.name(),
            Self::Tl1 => TernaryLayout::Tl1.name(),
            Self::Tl2 => TernaryLayout::Tl2.name(),
            Self::T5 => TernaryLayout::T5.name(),
        }
    }

    /// Bytes of an `[n, k]` tensor, padding included; `None` if that is 2⁶⁴ or more.
    ///
    /// Column-major tensors are those of `[k, n]`: column after column, each as a row of `n` elements would lie.
    #[must_use]
    pub fn tensor_bytes(self, order: Order, n: u64, k: u64) -> Option<u64> {
        let (n, k) = match order {
            Order::RowMajor => (n, k),
            Order::ColumnMajor => (k, n),
        };
        let element_bytes = match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 => 1,
            Self::I8Split | Self::I8Low => {
                let block_bytes = match self {
                    Self::I8Split => i8_split::HIGH_BLOCK_BYTES,
                    _ => i8_split::LOW_BLOCK_BYTES,
                };
                return n.checked_mul(k.div_ceil(i8_split::BLOCK as u64).checked_mul(block_bytes as u64)?);
            }
            Self::I2 | Self::Tl1 | Self::Tl2 | Self::T5 => {
                let (layout, k) = (self.ternary()?, usize::try_from(k).ok()?);
                let n_tiles = n.div_ceil(layout.tile_rows() as u64);
                return n_tiles.checked_mul(layout.matrix_bytes(layout.tile_rows(), k) as u64);
            }
        };
        n.checked_mul(k)?.checked_mul(element_bytes)
    }

    /// The kernels' name of a layout whose elements are trits under one tensor scale; `None` for the others.
    #[must_use]
    pub const fn ternary(self) -> Option<TernaryLayout> {
        match self {
            Self::I2 => Some(TernaryLayout::I2),
            Self::Tl1 => Some(TernaryLayout::Tl1),
            Self::Tl2 => Some(TernaryLayout::Tl2),
            Self::T5 => Some(TernaryLayout::T5),
            Self::F32 | Self::F16 | Self::Bf16 | Self::I8 | Self::I8Split | Self::I8Low => None,
        }
    }

    /// Whether elements are trits under one tensor scale.
    #[must_use]
    pub const fn is_ternary(self) -> bool {
        self.ternary().is_some()
    }
}

impl From<TernaryLayout> for Layout {
    fn from(layout: TernaryLayout) -> Self {
        match layout {
            TernaryLayout::I2 => Self::I2,
            TernaryLayout::Tl1 => Self::Tl1,
            TernaryLayout::Tl2 => Self::Tl2,
            TernaryLayout::T5 => Self::T5,
        }
    }
}

/// Which elements of a matrix are neighbours in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Row after row: an output's weights lie together.
    #[default]
    RowMajor,
    /// Column after column: an input's weights lie together, and an input of zero need not be read.
    ColumnMajor,
}

impl Order {
    /// The order's code in a directory entry.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::RowMajor => 0,
            Self::ColumnMajor => 1,
        }
    }

    /// The order with this code; `None` for an undefined one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::RowMajor),
            1 => Some(Self::ColumnMajor),
            _ => None,
        }
    }
}
