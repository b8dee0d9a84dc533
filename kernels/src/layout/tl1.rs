//! `tl1`: pairs of ternary weights as 4-bit indices, 32 rows together, 2 bits a weight.
//!
//! A matrix `[n, k]` is `ceil(n / 32)` tiles of 32 rows. A tile is its pairs of columns in order, `k` rounded up to a
//! multiple of four; a pair is 16 bytes, one index for each row:
//!
//! ```text
//!   bit      7     6     5     4     3     2     1     0
//!         +-----------------------+-----------------------+
//!   byte j|      row 16 + j       |         row j         |
//!         +-----------------------+-----------------------+
//!   index = 3 (w[row, 2 p] + 1) + (w[row, 2 p + 1] + 1)      0..=8
//! ```
//!
//! An index names one of the nine sums that two activations can make, so a GEMV adds table entries and multiplies
//! nothing: the sums of a pair are two tables of bytes, and one look-up each serves 16 rows.
//!
//! Rows past `n` and columns past `k` are trit 0 (index 4). Indices 9 to 15 are never written; kernels read them as two
//! zeros, and `is_valid` reports them.
//!
//! Kin: `TL1` (bitnet.cpp, arXiv:2502.11880), whose tiles depend on the shape and the machine.

/// Rows that are stored together.
pub const TILE_ROWS: usize = 32;
/// Columns that are stored together: two pairs, so that a row's share of a tile is whole bytes.
pub const BLOCK: usize = 4;
/// Bytes of a pair of columns.
pub const PAIR_BYTES: usize = 16;

/// Indices that are written.
const CODES: u8 = 9;
/// A byte of four zero trits.
const ZERO_BYTE: u8 = 0x44;

const _: () = assert!(TILE_ROWS == 2 * PAIR_BYTES);
const _: () = assert!(BLOCK / 2 * PAIR_BYTES == TILE_ROWS);
const _: () =
    assert!(WEIGHTS[(ZERO_BYTE & 15) as usize][0] == 0 && WEIGHTS[(ZERO_BYTE >> 4) as usize][1] == 0);

/// The two weights of an index.
pub const WEIGHTS: [[i8; 2]; 16] = {
    let mut weights = [[0; 2]; 16];
    let mut index = 0;
    while index < CODES as usize {
        weights[index] = [[-1, 0, 1][index / 3], [-1, 0, 1][index % 3]];
        index += 1;
    }
    weights
};

/// Bytes of a tile of rows of `k` weights: a multiple of 32.
#[must_use]
pub const fn tile_bytes(k: usize) -> usize {
    k.div_ceil(BLOCK) * TILE_ROWS
}

/// The weights of one pair of columns, by row.
pub(crate) fn decode_pair(pair: &[u8; PAIR_BYTES]) -> [[i8; 2]; TILE_ROWS] {
    core::array::from_fn(|row| decode_row(pair, row))
}

/// The weights of one pair of columns in one row of the tile.
#[inline]
pub(crate) fn decode_row(pair: &[u8; PAIR_BYTES], row: usize) -> [i8; 2] {
    let byte = pair[row % PAIR_BYTES];
    WEIGHTS[usize::from(if row < PAIR_BYTES { byte & 15 } else { byte >> 4 })]
}

/// Packs the trits `[32, k]` of one tile.
pub(super) fn pack_tile(trits: &[i8], k: usize, tile: &mut [u8]) {
    tile.fill(ZERO_BYTE);
    for (p, pair) in tile.chunks_exact_mut(PAIR_BYTES).enumerate() {
        let index = |row: usize| {
            let code = |i: usize| if i < k { (trits[row * k + i] + 1).cast_unsigned() } else { 1 };
            3 * code(2 * p) + code(2 * p + 1)
        };
        for (j, byte) in pair.iter_mut().enumerate() {
            *byte = index(j) | index(PAIR_BYTES + j) << 4;
        }
    }
}

/// Unpacks one tile to `[32, k]`.
pub(super) fn unpack_tile(tile: &[u8], k: usize, trits: &mut [i8]) {
    for (pair, i) in tile.as_chunks().0.iter().zip((0..k).step_by(2)) {
        for (row, weights) in decode_pair(pair).into_iter().enumerate() {
            let width = (k - i).min(2);
            trits[row * k + i..][..width].copy_from_slice(&weights[..width]);
        }
    }
}

/// Whether `tile` holds only indices that packing writes, and zeros past `k`.
pub(super) fn is_valid(tile: &[u8], k: usize) -> bool {
    let (pairs, _) = tile.as_chunks::<PAIR_BYTES>();
    let is_written = tile.iter().all(|byte| byte & 15 < CODES && byte >> 4 < CODES);
    let zero_past_k = |p: usize, pair: &[u8; PAIR_BYTES]| {
        let used = k.saturating_sub(2 * p).min(2);
        decode_pair(pair).iter().all(|weights| weights[used..].iter().all(|weight| *weight == 0))
    };
    // Only the last two pairs hold padding.
    let first = pairs.len().saturating_sub(2);
    is_written && pairs.iter().enumerate().skip(first).all(|(p, pair)| zero_past_k(p, pair))
}

/// Whether the rows of a tile from `first_row` on are trit 0, as they are behind the last row of a matrix.
#[must_use]
pub fn rows_are_zero(tile: &[u8], first_row: usize) -> bool {
    let (pairs, _) = tile.as_chunks::<PAIR_BYTES>();
    pairs.iter().all(|pair| decode_pair(pair)[first_row..].iter().all(|weights| *weights == [0, 0]))
}

#[cfg(test)]
mod tests {
    use super::{TILE_ROWS, WEIGHTS, ZERO_BYTE, pack_tile, tile_bytes};

    #[test]
    fn bits_stand_where_the_diagram_says() {
        const K: usize = 5;
        let mut trits = [0; TILE_ROWS * K];
        (trits[3 * K + 2], trits[3 * K + 3]) = (1, -1); // row 3, pair 1: index 6
        (trits[19 * K + 2], trits[19 * K + 3]) = (-1, 1); // row 19, pair 1: index 2
        trits[31 * K + 4] = 1; // row 31, pair 2: index 7
        let mut tile = [0; tile_bytes(K)];
        pack_tile(&trits, K, &mut tile);
        assert_eq!(tile[16 + 3], 0x26);
        assert_eq!(tile[32 + 15], 0x74);
        assert_eq!(tile.iter().filter(|byte| **byte != ZERO_BYTE).count(), 2);
    }

    #[test]
    fn indices_that_are_never_written_are_two_zeros() {
        assert_eq!(WEIGHTS[8], [1, 1]);
        assert_eq!(WEIGHTS[9..], [[0; 2]; 7]);
    }
}
