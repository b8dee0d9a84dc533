//! Trits and floats in the block types of ggml and bitnet.cpp
//!
//! The inverse of what `import::gguf` reads; its module texts name the sources of the layouts. Plain encoders: `Q6_K`
//! rounds to the nearest code without the search for better scales that quantising tools make.

use half::f16;

/// Weights in a block of `TQ2_0` and `Q6_K`.
pub(super) const K_BLOCK: usize = 256;
/// Weights in a block of `I2_S`.
pub(super) const I2_S_BLOCK: usize = 128;
/// Bytes of an `I2_S` tensor after its codes: the scale as f32, and padding.
pub(super) const I2_S_TAIL: usize = 32;
/// Bytes of a block of `TQ2_0`.
pub(super) const TQ2_0_BYTES: usize = 66;
/// Bytes of a block of `Q6_K`.
pub(super) const Q6_K_BYTES: usize = 210;

/// Appends whole blocks of `trits` as `I2_S`: byte j holds weights j, 32+j, 64+j, 96+j, the first in the top bits.
pub(super) fn i2_s(trits: &[i8], bytes: &mut Vec<u8>) {
    for block in trits.as_chunks::<I2_S_BLOCK>().0 {
        bytes.extend((0..32).map(|j| {
            (0..4).fold(0, |byte, quarter| byte << 2 | (block[32 * quarter + j] + 1).cast_unsigned())
        }));
    }
}

/// Appends whole blocks of `trits` as `TQ2_0`: byte j of each half holds weights j, 32+j, 64+j, 96+j of it, the first in
/// the low bits; then the scale.
pub(super) fn tq2_0(trits: &[i8], scale: f16, bytes: &mut Vec<u8>) {
    for block in trits.as_chunks::<K_BLOCK>().0 {
        for half in block.as_chunks::<128>().0 {
            bytes.extend((0..32).map(|j| {
                (0..4).rev().fold(0, |byte, quarter| byte << 2 | (half[32 * quarter + j] + 1).cast_unsigned())
            }));
        }
        bytes.extend(scale.to_le_bytes());
    }
}

/// Appends whole blocks of `values` as `Q6_K`: 6-bit codes less 32, under a scale of i8 for 16 and one of f16 for 256.
pub(super) fn q6_k(values: &[f32], bytes: &mut Vec<u8>) {
    /// The largest code on both sides of 0.
    const MAX_CODE: f32 = 31.0;
    for block in values.as_chunks::<K_BLOCK>().0 {
        let subs = block.as_chunks::<16>().0;
        let absmax = |values: &[f32]| values.iter().fold(0_f32, |max, value| max.max(value.abs()));
        let d = f16::from_f32(absmax(block) / MAX_CODE / 127.0);
        let mut scales = [0_u8; 16];
        let mut codes = [0_u8; K_BLOCK];
        for ((values, scale), codes) in subs.iter().zip(&mut scales).zip(codes.as_chunks_mut::<16>().0) {
            let step = nearest(absmax(values) / MAX_CODE, d.to_f32(), 127.0);
            *scale = step.cast_unsigned();
            for (value, code) in values.iter().zip(codes) {
                *code = (nearest(*value, d.to_f32() * f32::from(step), MAX_CODE) + 32).cast_unsigned();
            }
        }
        let (mut low, mut high) = ([0_u8; 128], [0_u8; 64]);
        for (at, code) in codes.iter().enumerate() {
            let (half, quarter, l) = (at / 128, at % 128 / 32, at % 32);
            low[64 * half + 32 * (quarter % 2) + l] |= (code & 15) << (quarter / 2 * 4);
            high[32 * half + l] |= (code >> 4) << (2 * quarter);
        }
        bytes.extend(low);
        bytes.extend(high);
        bytes.extend(scales);
        bytes.extend(d.to_le_bytes());
    }
}

/// `value / step` rounded, within ±`max`; 0 under a step of 0.
#[expect(clippy::cast_possible_truncation, reason = "clamped to less than 128")]
fn nearest(value: f32, step: f32, max: f32) -> i8 {
    if step == 0.0 { 0 } else { (value / step).round_ties_even().clamp(-max, max) as i8 }
}
