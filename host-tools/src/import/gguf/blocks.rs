//! Element types whose values are floats, widened to f32
//!
//! Plain floats, and the block types that quantising tools give embeddings and heads. Every value is computed as
//! gguf-py's `dequantize` does, product by product in f32, so the bits are the same. Source of the layouts: ggml,
//! `ggml-common.h` and `ggml-quants.c`. Numbers in blocks are little-endian, scales f16.

use half::{bf16, f16};

/// Weights in a block of the K-quants.
const K_BLOCK: usize = 256;

/// An element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatBlocks {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q5_0,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl FloatBlocks {
    /// What ggml calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q5_0 => "Q5_0",
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// Whether elements are plain floats, which a model file may hold as they are.
    pub(super) const fn is_plain(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }

    /// Weights in a block.
    pub(super) const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q5_0 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => K_BLOCK,
        }
    }

    /// Bytes of a block.
    pub(super) const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 18,
            Self::Q5_0 => 22,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes of a row of `k` weights, a multiple of [`block_len`](Self::block_len).
    pub(super) const fn row_bytes(self, k: usize) -> usize {
        k / self.block_len() * self.block_bytes()
    }

    /// Appends the values of the whole blocks in `bytes` to `values`.
    pub(super) fn widen(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F32 => values.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
            Self::F16 => values.extend(bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => values.extend(bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32())),
            Self::Q4_0 => bytes.as_chunks().0.iter().for_each(|block| q4_0(block, values)),
            Self::Q5_0 => bytes.as_chunks().0.iter().for_each(|block| q5_0(block, values)),
            Self::Q8_0 => bytes.as_chunks().0.iter().for_each(|block| q8_0(block, values)),
            Self::Q4K => bytes.as_chunks().0.iter().for_each(|block| q4_k(block, values)),
            Self::Q5K => bytes.as_chunks().0.iter().for_each(|block| q5_k(block, values)),
            Self::Q6K => bytes.as_chunks().0.iter().for_each(|block| q6_k(block, values)),
        }
    }
}

fn scale(low: u8, high: u8) -> f32 {
    f16::from_le_bytes([low, high]).to_f32()
}

/// Scale, then 16 bytes: low nibbles are weights 0 to 15, high nibbles 16 to 31, less 8.
fn q4_0(block: &[u8; 18], values: &mut Vec<f32>) {
    let d = scale(block[0], block[1]);
    for shift in [0, 4] {
        values.extend(block[2..].iter().map(|byte| d * f32::from((byte >> shift & 15).cast_signed() - 8)));
    }
}

/// Scale, 32 fifth bits, then nibbles as in [`q4_0`]; less 16.
fn q5_0(block: &[u8; 22], values: &mut Vec<f32>) {
    let d = scale(block[0], block[1]);
    for (shift, fifths) in [(0, [block[2], block[3]]), (4, [block[4], block[5]])] {
        let fifths = u16::from_le_bytes(fifths);
        for (j, byte) in block[6..].iter().enumerate() {
            let fifth = if fifths >> j & 1 == 1 { 16 } else { 0 };
            values.push(d * f32::from((byte >> shift & 15 | fifth).cast_signed() - 16));
        }
    }
}

/// Scale, then 32 bytes of i8.
fn q8_0(block: &[u8; 34], values: &mut Vec<f32>) {
    let d = scale(block[0], block[1]);
    values.extend(block[2..].iter().map(|byte| d * f32::from(byte.cast_signed())));
}

/// The 6-bit scale and minimum of each of eight sub-blocks, times the block's own.
fn sub_blocks(d: f32, d_min: f32, packed: &[u8]) -> [(f32, f32); 8] {
    core::array::from_fn(|j| {
        let (scale, minimum) = match j {
            0..4 => (packed[j] & 63, packed[j + 4] & 63),
            // The last four keep their upper two bits above those of the first four.
            _ => (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4),
        };
        (d * f32::from(scale), d_min * f32::from(minimum))
    })
}

/// Scale, minimum, 12 bytes of sub-block scales, nibbles: each 32 bytes hold two sub-blocks, low nibbles first.
fn q4_k(block: &[u8; 144], values: &mut Vec<f32>) {
    let subs = sub_blocks(scale(block[0], block[1]), scale(block[2], block[3]), &block[4..16]);
    for (sub, (d, minimum)) in subs.into_iter().enumerate() {
        let bytes = &block[16 + sub / 2 * 32..][..32];
        values.extend(bytes.iter().map(|byte| d * f32::from(byte >> (sub % 2 * 4) & 15) - minimum));
    }
}

/// As [`q4_k`], with 32 bytes of fifth bits before the nibbles: bit `s` of byte `j` belongs to sub-block `s`.
fn q5_k(block: &[u8; 176], values: &mut Vec<f32>) {
    let subs = sub_blocks(scale(block[0], block[1]), scale(block[2], block[3]), &block[4..16]);
    for (sub, (d, minimum)) in subs.into_iter().enumerate() {
        let bytes = block[48 + sub / 2 * 32..][..32].iter().zip(&block[16..48]);
        values.extend(bytes.map(|(byte, fifths)| {
            d * f32::from(byte >> (sub % 2 * 4) & 15 | (fifths >> sub & 1) << 4) - minimum
        }));
    }
}

/// Two halves of 64 bytes of low nibbles and 32 bytes of upper bit pairs; 16 scales of i8; the scale last; less 32.
fn q6_k(block: &[u8; 210], values: &mut Vec<f32>) {
    let d = scale(block[208], block[209]);
    for half in 0..2 {
        let (low, high) = (&block[64 * half..][..64], &block[128 + 32 * half..][..32]);
        for quarter in 0..4 {
            for l in 0..32 {
                let nibble = low[32 * (quarter % 2) + l] >> (quarter / 2 * 4) & 15;
                let code = nibble | (high[l] >> (2 * quarter) & 3) << 4;
                let sub = block[192 + 8 * half + 2 * quarter + l / 16].cast_signed();
                values.push(d * f32::from(sub) * f32::from(code.cast_signed() - 32));
            }
        }
    }
}
