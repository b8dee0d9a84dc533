//! What a type id means
//!
//! Ids collide: bitnet.cpp's fork gave `I2_S`, `TL1` and `TL2` ids that llama.cpp used before for repacked types and,
//! for one of them, after for `MXFP4`; some converters write `I2_S` under an id that is `Q2_0` elsewhere. The room a
//! tensor has tells them apart: `n/4 + 32` bytes for n weights is `I2_S`'s and `TL1`'s alone. What cannot be told
//! apart, or cannot be computed right, is refused by name. Source of the ids: `ggml.h` of llama.cpp, of bitnet.cpp's
//! fork, of `ik_llama.cpp` and of `PrismML`'s fork.

use super::blocks::FloatBlocks;
use super::contents::TensorEntry;
use super::ternary::{I2_S_TAIL, TQ_BLOCK, TernaryBlocks};
use crate::error::Error;

/// How a tensor's elements are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TensorType {
    /// Values that widen to f32.
    Floats(FloatBlocks),
    /// Trits under a scale.
    Ternary(TernaryBlocks),
}

impl TensorType {
    /// The type of `tensor` and the bytes of its data, which fit the room it has.
    pub(super) fn of(tensor: &TensorEntry<'_>, alignment: u64) -> Result<(Self, u64), Error> {
        let found = match tensor.type_id {
            0 => Self::Floats(FloatBlocks::F32),
            1 => Self::Floats(FloatBlocks::F16),
            2 => Self::Floats(FloatBlocks::Q4_0),
            6 => Self::Floats(FloatBlocks::Q5_0),
            8 => Self::Floats(FloatBlocks::Q8_0),
            12 => Self::Floats(FloatBlocks::Q4K),
            13 => Self::Floats(FloatBlocks::Q5K),
            14 => Self::Floats(FloatBlocks::Q6K),
            30 => Self::Floats(FloatBlocks::Bf16),
            34 => Self::Ternary(TernaryBlocks::Tq1_0),
            35 => Self::Ternary(TernaryBlocks::Tq2_0),
            36 | 42 if has_i2_s_room(tensor, alignment) => Self::Ternary(TernaryBlocks::I2S),
            id => return Err(refusal(tensor, id, alignment)),
        };
        let (block_len, bytes) = found.block_len_and_bytes(tensor.len());
        if !tensor.dims[0].is_multiple_of(block_len) {
            let problem =
                format!("expected rows of whole blocks of {block_len} weights, found {}", tensor.dims[0]);
            return Err(Error::new(tensor.name, problem));
        }
        let room = tensor.limit - tensor.start;
        if bytes <= room {
            return Ok((found, bytes));
        }
        Err(Error::new(
            tensor.name,
            format!(
                "expected {bytes} bytes of data, found {room} before the next tensor or the end of the file"
            ),
        )
        .hint("the file is damaged or its download incomplete: fetch it again"))
    }

    /// What ggml, or bitnet.cpp, calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floats(float) => float.name(),
            Self::Ternary(TernaryBlocks::Tq1_0) => "TQ1_0",
            Self::Ternary(TernaryBlocks::Tq2_0) => "TQ2_0",
            Self::Ternary(TernaryBlocks::I2S) => "I2_S",
        }
    }

    /// Weights in a block, which may not straddle rows, and bytes of `n` weights.
    const fn block_len_and_bytes(self, n: u64) -> (u64, u64) {
        let (block_len, block_bytes) = match self {
            Self::Floats(float) => (float.block_len() as u64, float.block_bytes() as u64),
            Self::Ternary(TernaryBlocks::Tq1_0) => (TQ_BLOCK as u64, 54),
            Self::Ternary(TernaryBlocks::Tq2_0) => (TQ_BLOCK as u64, 66),
            // Its blocks may straddle rows.
            Self::Ternary(TernaryBlocks::I2S) => return (1, i2_s_bytes(n)),
        };
        (block_len, (n / block_len).saturating_mul(block_bytes))
    }
}

/// Bytes of an `I2_S` tensor of `n` weights.
const fn i2_s_bytes(n: u64) -> u64 {
    n / 4 + I2_S_TAIL as u64
}

/// Whether the room of `tensor` is that of `I2_S` and, under the shared id 42, not that of a `Q2_0`.
fn has_i2_s_room(tensor: &TensorEntry<'_>, alignment: u64) -> bool {
    let n = tensor.len();
    let fits = |bytes: u64| has_room_for(tensor, bytes, alignment);
    let is_q2_0 = tensor.type_id == 42 && (fits(n / 64 * 18) || fits(n / 128 * 34));
    fits(i2_s_bytes(n)) && !is_q2_0
}

/// Whether `bytes` and the padding after them are the room of `tensor`. The last tensor of a file need not be padded.
fn has_room_for(tensor: &TensorEntry<'_>, bytes: u64, alignment: u64) -> bool {
    (bytes..bytes + alignment).contains(&(tensor.limit - tensor.start))
}

/// Why tensors of type `id` are not read.
fn refusal(tensor: &TensorEntry<'_>, id: u32, alignment: u64) -> Error {
    const GROUPS: &str = "its scale per group of weights has no place in one scale per matrix";
    const LUT: &str = "its bytes are ordered for one machine's lookup-table kernels";
    const FROM_ORIGINAL: &str =
        "pack the original checkpoint, or a GGUF of type i2_s, tq1_0, tq2_0, f16 or f32";
    let n = tensor.len();
    let has_room_for = |bytes| has_room_for(tensor, bytes, alignment);
    let is_iq4_nl = has_room_for(n / 32 * 18);
    let is_mxfp4 = has_room_for(n / 32 * 17);
    let (name, why) = match id {
        36..=38 if is_iq4_nl => ("IQ4_NL in a repacked order", "its order is one machine's"),
        36 => ("I2_S without its n/4 + 32 bytes for n weights", "the file is damaged or cut short"),
        37 => ("I8_S of bitnet.cpp", "it holds activations"),
        38 => ("TL1 of bitnet.cpp", LUT),
        39 if !is_mxfp4 => ("TL2 of bitnet.cpp", LUT),
        31..=33 => ("Q4_0 in a repacked order", "its order is one machine's"),
        39 => ("MXFP4", GROUPS),
        40 => ("NVFP4", GROUPS),
        41 => ("Q1_0", GROUPS),
        42 => ("Q2_0", GROUPS),
        142 => ("PQ2_0", GROUPS),
        143 => ("PTQ1_0", GROUPS),
        134 => ("IQ1_BN of ik_llama.cpp", "its order is another program's"),
        135 => ("IQ2_BN of ik_llama.cpp", "its order is another program's"),
        _ => (other_name(id), "it is no ternary type, and none that embeddings are read in"),
    };
    Error::new(
        tensor.name,
        format!("expected F32, F16, BF16, TQ1_0, TQ2_0 or I2_S, found {name} (type id {id}): {why}"),
    )
    .hint(FROM_ORIGINAL)
}

/// The names of llama.cpp's other types.
const fn other_name(id: u32) -> &'static str {
    match id {
        3 => "Q4_1",
        7 => "Q5_1",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        _ => "an unknown type",
    }
}
