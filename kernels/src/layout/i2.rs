//! `i2`: four 2-bit planes in a byte, 64 ternary weights in 16 bytes.
//!
//! A matrix `[n, k]` is row-major. A row is `ceil(k / 64)` blocks; byte `j` of a block (`0..16`) holds four elements
//! of the block, one per plane:
//!
//! ```text
//!   bit      7     6     5     4     3     2     1     0
//!         +-----------+-----------+-----------+-----------+
//!   byte j|  plane 3  |  plane 2  |  plane 1  |  plane 0  |
//!         +-----------+-----------+-----------+-----------+
//!   element   48 + j      32 + j      16 + j        j
//!   value      trit      trit + 1    trit + 1    trit + 1
//! ```
//!
//! Planes 0 to 2 hold `trit + 1` (00, 01, 10 for -1, 0, +1). Plane 3 holds the trit in two's complement (11, 00, 01),
//! so a mask alone leaves every plane as a signed byte times a power of two: `b & 0x03`, `b & 0x0c`, `b & 0x30`,
//! `b & 0xc0`. What planes 0 to 2 have too much is the sum of their activations, the same for every row. On cores with
//! one vector shift a cycle (Cortex-A76) that makes decoding four masks.
//!
//! Elements past `k` in the last block are trit 0 (a whole byte of them is `0x15`). The fourth code of a plane is
//! never written; kernels read it linearly (planes 0 to 2: `11` is +2; plane 3: `10` is -2), all alike, and
//! [`is_valid`] reports it.
//!
//! Kin: `I2_S` (bitnet.cpp, arXiv:2502.11880) and `TQ2_0` (ggml) also hold four 2-bit planes in a byte.

/// Weights in a block.
pub const BLOCK: usize = 64;
/// Bytes in a block.
pub const BLOCK_BYTES: usize = 16;
/// A byte of four zero trits.
pub const ZERO_BYTE: u8 = 0b00_01_01_01;
/// Elements of a block in the planes that store `trit + 1`.
pub const OFFSET_ELEMENTS: usize = 48;

const PLANES: usize = 4;

const _: () = assert!(BLOCK == PLANES * BLOCK_BYTES);
const _: () = assert!(OFFSET_ELEMENTS == 3 * BLOCK_BYTES);
const _: () = assert!(decode_byte(ZERO_BYTE)[0] == 0 && decode_byte(ZERO_BYTE)[3] == 0);

/// Bytes of a packed row of `k` weights: a multiple of 16.
#[must_use]
pub const fn row_bytes(k: usize) -> usize {
    k.div_ceil(BLOCK) * BLOCK_BYTES
}

/// `k` rounded up to whole blocks: the length of the activations that kernels read.
#[must_use]
pub const fn k_padded(k: usize) -> usize {
    k.div_ceil(BLOCK) * BLOCK
}

/// Packs one row of trits.
///
/// | arg     | shape            | meaning                        |
/// |---------|------------------|--------------------------------|
/// | `trits` | `[k]`            | each -1, 0 or +1               |
/// | `row`   | `[row_bytes(k)]` | every byte is written          |
///
/// # Panics
/// If `row` is not `row_bytes(k)` long or a value is not a trit.
pub fn pack_row(trits: &[i8], row: &mut [u8]) {
    assert_eq!(row.len(), row_bytes(trits.len()), "row bytes for k = {}", trits.len());
    // No early exit, so that the loop vectorises.
    let all_trits = trits.iter().fold(true, |all, trit| all & (-1..=1).contains(trit));
    assert!(all_trits, "expected trits, found {:?}", trits.iter().find(|trit| !(-1..=1).contains(*trit)));
    let (blocks, tail) = trits.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last[..tail.len()].copy_from_slice(tail);
    for (block, bytes) in blocks.iter().chain([&last]).zip(row.chunks_exact_mut(BLOCK_BYTES)) {
        pack_block(block, bytes);
    }
}

/// Packs the trits of one block.
fn pack_block(block: &[i8; BLOCK], bytes: &mut [u8]) {
    let (planes, _) = block.as_chunks::<BLOCK_BYTES>();
    for (j, byte) in bytes.iter_mut().enumerate() {
        let code = |plane: usize| (planes[plane][j] + 1).cast_unsigned() << (2 * plane);
        *byte = code(0) | code(1) | code(2) | planes[3][j].cast_unsigned() << 6;
    }
}

/// Unpacks one row; the inverse of [`pack_row`]. Codes that are never written come out as kernels read them (+2, -2).
///
/// | arg     | shape            | meaning         |
/// |---------|------------------|-----------------|
/// | `row`   | `[row_bytes(k)]` | packed          |
/// | `trits` | `[k]`            | -1, 0 or +1     |
///
/// # Panics
/// If `row` is not `row_bytes(k)` long.
pub fn unpack_row(row: &[u8], trits: &mut [i8]) {
    assert_eq!(row.len(), row_bytes(trits.len()), "row bytes for k = {}", trits.len());
    each_block(row, 0, |start, weights| {
        for (trit, weight) in trits[start..].iter_mut().zip(weights) {
            *trit = *weight;
        }
    });
}

/// Calls `visit(start, weights)` for each block of a row whose first element is `start`.
pub(super) fn each_block(row: &[u8], start: usize, mut visit: impl FnMut(usize, &[i8])) {
    for (block, start) in row.as_chunks::<BLOCK_BYTES>().0.iter().zip((start..).step_by(BLOCK)) {
        let mut weights = [0; BLOCK];
        for (j, byte) in block.iter().enumerate() {
            for (plane, weight) in decode_byte(*byte).into_iter().enumerate() {
                weights[plane * BLOCK_BYTES + j] = weight;
            }
        }
        visit(start, &weights);
    }
}

/// The four weights in a byte, plane 0 first.
#[must_use]
pub const fn decode_byte(byte: u8) -> [i8; PLANES] {
    [
        (byte & 3).cast_signed() - 1,
        (byte >> 2 & 3).cast_signed() - 1,
        (byte >> 4 & 3).cast_signed() - 1,
        byte.cast_signed() >> 6,
    ]
}

/// Whether `row` is what [`pack_row`] can write for `k` weights: its length, no fourth code, zero padding.
#[must_use]
pub fn is_valid(row: &[u8], k: usize) -> bool {
    if row.len() != row_bytes(k) {
        return false;
    }
    // One OR over the row: any bit left is a fourth code. No early exit, so that the loop vectorises.
    let fourth_codes = row.iter().fold(0, |bad, &b| bad | (b & (b >> 1) & 0x15) | ((b >> 7) & !(b >> 6) & 1));
    if fourth_codes != 0 {
        return false;
    }
    let tail = k % BLOCK;
    if tail == 0 {
        return true;
    }
    let last = &row[row.len() - BLOCK_BYTES..];
    (tail..BLOCK).all(|i| decode_byte(last[i % BLOCK_BYTES])[i / BLOCK_BYTES] == 0)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, ZERO_BYTE, decode_byte, is_valid, pack_row, row_bytes, unpack_row};

    const LONGEST: usize = 130;

    fn painted(trits: &mut [i8]) {
        for (i, trit) in trits.iter_mut().enumerate() {
            *trit = [0, 1, -1, 1, -1][(i * 7 + i / 5) % 251 % 5];
        }
    }

    #[test]
    fn unpacking_gives_back_every_trit_and_packing_is_valid() {
        for k in [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, LONGEST] {
            let mut trits = [0; LONGEST];
            painted(&mut trits[..k]);
            let mut row = [0xff; row_bytes(LONGEST)];
            let row = &mut row[..row_bytes(k)];
            pack_row(&trits[..k], row);
            assert!(is_valid(row, k), "k = {k}");
            let mut back = [9; LONGEST];
            unpack_row(row, &mut back[..k]);
            assert_eq!(back[..k], trits[..k], "k = {k}");
        }
    }

    #[test]
    fn bits_stand_where_the_diagram_says() {
        let mut trits = [0; 64];
        (trits[3], trits[19], trits[35], trits[51]) = (-1, 1, -1, -1);
        let mut row = [0; 16];
        pack_row(&trits, &mut row);
        assert_eq!(row[3], 0b11_00_10_00);
        assert_eq!(row[0], ZERO_BYTE);
        assert_eq!(decode_byte(0b10_11_11_11), [2, 2, 2, -2]);
    }

    #[test]
    fn fourth_codes_dirty_padding_and_wrong_lengths_are_invalid() {
        let mut row = [ZERO_BYTE; 2 * BLOCK_BYTES];
        assert!(is_valid(&row, 65) && is_valid(&row, 128));
        assert!(!is_valid(&row, 64) && !is_valid(&row, 129) && !is_valid(&row[1..], 128));
        for bad in [0b00_01_01_11, 0b00_01_11_01, 0b00_11_01_01, 0b10_01_01_01] {
            row[20] = bad;
            assert!(!is_valid(&row, 128), "{bad:#010b}");
        }
        row[20] = 0b00_01_01_00;
        assert!(is_valid(&row, 128) && !is_valid(&row, 65));
    }
}
