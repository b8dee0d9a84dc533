//! `t5`: five ternary weights in a byte, 80 in 16 bytes, 1.6 bits a weight.
//!
//! A matrix `[n, k]` is row-major. A row is `ceil(k / 80)` blocks; byte `j` of a block (`0..16`) holds elements `j`,
//! `16 + j`, `32 + j`, `48 + j` and `64 + j` of the block, the first as the most significant digit of a number in
//! balanced base 3, scaled to a signed byte that is read as a fraction:
//!
//! ```text
//!   number  v = 81 w[j] + 27 w[16 + j] + 9 w[32 + j] + 3 w[48 + j] + w[64 + j]      -121..=121
//!   byte    s = round(256 v / 243)                                                  -127..=127, two's complement
//!   digits  s[0] = s,  s[i + 1] = 3 s[i] reduced to a signed byte by wrapping,  w[16 i + j] = (3 s[i] - s[i + 1]) / 256
//! ```
//!
//! Tripling carries the next digit out at the top: the reduction takes away 256 times a trit, which is the weight. So a
//! digit is two compares (`s > 42` and `s < -42`), or no compare at all: over a whole row
//! `256 Σ w x = 3 Σ s[i] x[i] - Σ s[i + 1] x[i]`, two integer dot products of plain bytes and one exact shift at the
//! end. That is four vector operations for 16 weights on a core with `SDOT`, and negated weights are the negated byte.
//! `s ^ 0x80` is the same in unsigned form: tripling wraps alike, and a digit is `[u >= 86] + [u >= 171] - 1`.
//!
//! The scaling errs by at most 1/2, which four triplings make 81/2; a digit's threshold is further away than that
//! (proved below for every code). The 13 bytes that are never written read as trits by the same arithmetic, alike on
//! every machine; `is_valid` reports them. Elements past `k` in the last block are trit 0.
//!
//! Kin: `TQ1_0` (ggml) also scales a base-3 number to a byte; its number is not balanced and its digits are found by a
//! multiplication.

/// Weights in a block.
pub const BLOCK: usize = 80;
/// Bytes in a block.
pub const BLOCK_BYTES: usize = 16;
/// Weights in a byte.
pub const DIGITS: usize = 5;

/// The five weights of every byte.
static WEIGHTS: [[i8; DIGITS]; 256] = {
    let mut weights = [[0; DIGITS]; 256];
    let mut byte = 0;
    while byte < 256 {
        weights[byte] = decode_byte(byte.to_le_bytes()[0]);
        byte += 1;
    }
    weights
};

const _: () = assert!(BLOCK == DIGITS * BLOCK_BYTES);
const _: () = assert!(encode([0; DIGITS]) == 0);
// Every code reads back as its trits.
const _: () = {
    let mut number = 0;
    while number < 243 {
        let mut trits = [0; DIGITS];
        let mut rest = number;
        let mut i = 0;
        while i < DIGITS {
            trits[i] = [-1, 0, 1][rest % 3];
            rest /= 3;
            i += 1;
        }
        let back = decode_byte(encode(trits));
        i = 0;
        while i < DIGITS {
            assert!(back[i] == trits[i]);
            i += 1;
        }
        number += 1;
    }
};

/// Bytes of a packed row of `k` weights: a multiple of 16.
#[must_use]
pub const fn row_bytes(k: usize) -> usize {
    k.div_ceil(BLOCK) * BLOCK_BYTES
}

/// The five weights in a byte, the most significant digit first.
#[must_use]
pub const fn decode_byte(byte: u8) -> [i8; DIGITS] {
    let mut s = byte.cast_signed();
    let mut weights = [0; DIGITS];
    let mut i = 0;
    while i < DIGITS {
        weights[i] = (s > 42) as i8 - (s < -42) as i8;
        s = s.wrapping_mul(3);
        i += 1;
    }
    weights
}

/// The byte of five trits, the most significant digit first.
const fn encode(trits: [i8; DIGITS]) -> u8 {
    let mut number = 0;
    let mut i = 0;
    while i < DIGITS {
        number = 3 * number + trits[i] as i32;
        i += 1;
    }
    // Half up: 2 * 256 v is never an odd multiple of 243, so no code lies halfway.
    (512 * number + 243).div_euclid(486).to_le_bytes()[0]
}

/// The weights of one block.
#[must_use]
pub(crate) fn decode_block(block: &[u8; BLOCK_BYTES]) -> [i8; BLOCK] {
    let mut weights = [0; BLOCK];
    for (j, byte) in block.iter().enumerate() {
        for (i, weight) in WEIGHTS[usize::from(*byte)].into_iter().enumerate() {
            weights[i * BLOCK_BYTES + j] = weight;
        }
    }
    weights
}

/// Packs one row of trits.
pub(super) fn pack_row(trits: &[i8], row: &mut [u8]) {
    let (blocks, tail) = trits.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..tail.len()].copy_from_slice(tail);
    for (block, bytes) in blocks.iter().chain([&last]).zip(row.chunks_exact_mut(BLOCK_BYTES)) {
        for (j, byte) in bytes.iter_mut().enumerate() {
            *byte = encode(core::array::from_fn(|i| block[i * BLOCK_BYTES + j]));
        }
    }
}

/// Whether `row` holds only codes that packing writes, and zeros past `k`.
pub(super) fn is_valid(row: &[u8], k: usize) -> bool {
    let is_code = |byte: &u8| encode(WEIGHTS[usize::from(*byte)]) == *byte;
    let (blocks, _) = row.as_chunks::<BLOCK_BYTES>();
    let zero_padded = match (blocks.last(), k % BLOCK) {
        (Some(last), used @ 1..) => decode_block(last)[used..].iter().all(|weight| *weight == 0),
        _ => true,
    };
    zero_padded && row.iter().all(is_code)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, decode_block, decode_byte, encode, pack_row};

    #[test]
    fn bytes_are_the_rounded_fractions_of_the_diagram() {
        assert_eq!(encode([1, 1, 1, 1, 1]), 127);
        assert_eq!(encode([-1, -1, -1, -1, -1]).cast_signed(), -127);
        assert_eq!(encode([1, 0, 0, 0, 0]), 85); // 256 * 81 / 243 = 85.33
        assert_eq!(encode([0, 0, 0, 0, -1]).cast_signed(), -1);
        let mut trits = [0; BLOCK];
        (trits[3], trits[64 + 3]) = (1, -1);
        let mut row = [0xff; 16];
        pack_row(&trits, &mut row);
        assert_eq!(row[3], 84); // 256 * 80 / 243 = 84.28
        assert_eq!(row[2], 0);
        assert_eq!(decode_block(&row), trits);
    }

    #[test]
    fn the_dot_product_form_and_the_unsigned_form_read_every_byte_alike() {
        for byte in 0..=255 {
            let (mut s, mut u) = (byte, byte ^ 0x80);
            for weight in decode_byte(byte) {
                let next = s.wrapping_mul(3);
                let carried = 3 * i32::from(s.cast_signed()) - i32::from(next.cast_signed());
                assert_eq!(carried, 256 * i32::from(weight), "{byte:#04x}");
                assert_eq!(i8::from(u >= 86) + i8::from(u >= 171) - 1, weight, "{byte:#04x}");
                (s, u) = (next, u.wrapping_mul(3));
            }
        }
    }
}
