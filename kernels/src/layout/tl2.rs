//! `tl2`: three ternary weights in five bits, 384 in 80 bytes, 5/3 bits a weight.
//!
//! A matrix `[n, k]` is row-major. A row is `floor(k / 384)` blocks, and the rest of it blocks of [`i2`]. A block is
//! eight vectors of 16 indices, one index of five bits for a triple of weights; index `t` of vector `q` stands for
//! elements `48 q + t`, `48 q + 16 + t` and `48 q + 32 + t` of the block:
//!
//! ```text
//!   index = 9 (w[48 q + t] + 1) + 3 (w[48 q + 16 + t] + 1) + (w[48 q + 32 + t] + 1)      0..=26
//! ```
//!
//! The 128 indices stand in five vectors of 16 bytes. The low five bits of a byte are an index of vectors 0 to 4, the
//! upper three hold bits of the other three vectors:
//!
//! ```text
//!   bit         7     6     5     4     3     2     1     0
//!            +-----------------+-----------------------------+
//!   byte  t  |  bits 2..0 of 5 |           index 0           |    v0
//!            +-----------+-----+-----------------------------+
//!   byte 16+t|  4..3 of 5|3/ 7 |           index 1           |    v1
//!            +-----------+-----+-----------------------------+
//!   byte 32+t|  bits 2..0 of 6 |           index 2           |    v2
//!            +-----------+-----+-----------------------------+
//!   byte 48+t|  4..3 of 6|4/ 7 |           index 3           |    v3
//!            +-----------+-----+-----------------------------+
//!   byte 64+t|  bits 2..0 of 7 |           index 4           |    v4
//!            +-----------------+-----------------------------+
//! ```
//!
//! so that two shifts assemble vector 5 (`v1 >> 3` with `v0 >> 5` put into its low three bits), two vector 6, and five
//! operations vector 7: 14 operations for 128 indices. Three tables of 32 bytes turn an index into its weights.
//!
//! Indices 27 to 31 are never written; kernels read them as three zeros, and `is_valid` reports them.
//!
//! Kin: `TL2` (bitnet.cpp, arXiv:2502.11880) also spends five bits on a triple: a sign and an index of half the table.

use super::i2;

/// Weights in a block.
pub const BLOCK: usize = 384;
/// Bytes in a block.
pub const BLOCK_BYTES: usize = 80;
/// Indices in a vector, and bytes.
pub const LANES: usize = 16;

/// Vectors of indices in a block.
const VECTORS: usize = 8;
/// Weights that share an index.
const TRIPLE: usize = 3;
/// Indices that are written.
const CODES: u8 = 27;

const _: () = assert!(BLOCK == VECTORS * TRIPLE * LANES);
const _: () = assert!(BLOCK_BYTES * 8 == VECTORS * LANES * 5);
// What a row leaves to i2 is whole blocks of it.
const _: () = assert!(BLOCK.is_multiple_of(i2::BLOCK));

/// The weights of an index, by table: what three 32-byte look-ups give.
pub const TABLES: [[i8; 32]; TRIPLE] = {
    let mut tables = [[0; 32]; TRIPLE];
    let mut index = 0;
    while index < CODES as usize {
        let digits = [index / 9, index / 3 % 3, index % 3];
        let mut i = 0;
        while i < TRIPLE {
            tables[i][index] = [-1, 0, 1][digits[i]];
            i += 1;
        }
        index += 1;
    }
    tables
};

/// Bytes of a packed row of `k` weights: a multiple of 16.
#[must_use]
pub const fn row_bytes(k: usize) -> usize {
    k / BLOCK * BLOCK_BYTES + i2::row_bytes(k % BLOCK)
}

/// The blocks of a row and its i2 tail.
pub(crate) fn split(row: &[u8], k: usize) -> (&[[u8; BLOCK_BYTES]], &[u8]) {
    let (blocks, tail) = row.split_at(k / BLOCK * BLOCK_BYTES);
    (blocks.as_chunks().0, tail)
}

/// The indices of one block, by vector.
fn indices(block: &[u8; BLOCK_BYTES]) -> [[u8; LANES]; VECTORS] {
    let mut indices = [[0; LANES]; VECTORS];
    for t in 0..LANES {
        let [v0, v1, v2, v3, v4] = core::array::from_fn(|i| block[i * LANES + t]);
        let low = [v0, v1, v2, v3, v4].map(|byte| byte & 31);
        let five = v0 >> 5 | (v1 >> 6) << 3;
        let six = v2 >> 5 | (v3 >> 6) << 3;
        let seven = v4 >> 5 | (v1 >> 5 & 1) << 3 | (v3 >> 5 & 1) << 4;
        for (vector, index) in indices.iter_mut().zip(low.into_iter().chain([five, six, seven])) {
            vector[t] = index;
        }
    }
    indices
}

/// The weights of one block.
pub(crate) fn decode_block(block: &[u8; BLOCK_BYTES]) -> [i8; BLOCK] {
    let mut weights = [0; BLOCK];
    let (vectors, _) = weights.as_chunks_mut::<{ TRIPLE * LANES }>();
    for (weights, indices) in vectors.iter_mut().zip(indices(block)) {
        for (t, index) in indices.into_iter().enumerate() {
            for (i, table) in TABLES.iter().enumerate() {
                weights[i * LANES + t] = table[usize::from(index)];
            }
        }
    }
    weights
}

/// Packs one row of trits.
pub(super) fn pack_row(trits: &[i8], row: &mut [u8]) {
    let (blocks, tail) = trits.as_chunks::<BLOCK>();
    let (packed, packed_tail) = row.split_at_mut(blocks.len() * BLOCK_BYTES);
    for (block, bytes) in blocks.iter().zip(packed.chunks_exact_mut(BLOCK_BYTES)) {
        pack_block(block, bytes);
    }
    i2::pack_row(tail, packed_tail);
}

fn pack_block(block: &[i8; BLOCK], bytes: &mut [u8]) {
    for t in 0..LANES {
        let index = |q: usize| {
            let code = |i: usize| (block[(q * TRIPLE + i) * LANES + t] + 1).cast_unsigned();
            9 * code(0) + 3 * code(1) + code(2)
        };
        let (five, six, seven) = (index(5), index(6), index(7));
        let upper =
            [five & 7, five >> 3 << 1 | seven >> 3 & 1, six & 7, six >> 3 << 1 | seven >> 4, seven & 7];
        for (i, upper) in upper.into_iter().enumerate() {
            bytes[i * LANES + t] = index(i) | upper << 5;
        }
    }
}

/// Whether `row` holds only indices that packing writes, and a valid i2 tail.
pub(super) fn is_valid(row: &[u8], k: usize) -> bool {
    let (blocks, tail) = split(row, k);
    let is_written = |block| indices(block).as_flattened().iter().all(|index| *index < CODES);
    blocks.iter().all(is_written) && i2::is_valid(tail, k % BLOCK)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, BLOCK_BYTES, TABLES, decode_block, pack_row};

    #[test]
    fn bits_stand_where_the_diagram_says() {
        // Index 13 (0b01101) is three zeros. Position 2 of vectors 5, 6 and 7 gets other indices.
        let mut trits = [0; BLOCK];
        for (i, value) in [1, 1, 1].into_iter().enumerate() {
            trits[5 * 48 + i * 16 + 2] = value; // index 26 = 0b11010
        }
        trits[6 * 48 + 2] = -1; // index 4 = 0b00100
        trits[7 * 48 + 2] = 1; // index 22 = 0b10110
        let mut row = [0; BLOCK_BYTES];
        pack_row(&trits, &mut row);
        assert_eq!(row[2], 0b010_01101);
        assert_eq!(row[16 + 2], 0b110_01101);
        assert_eq!(row[32 + 2], 0b100_01101);
        assert_eq!(row[48 + 2], 0b001_01101);
        assert_eq!(row[64 + 2], 0b110_01101);
        assert_eq!(decode_block(&row), trits);
    }

    #[test]
    fn indices_that_are_never_written_are_three_zeros() {
        assert_eq!(TABLES.map(|table| table[26]), [1, 1, 1]);
        for index in 27..32 {
            assert_eq!(TABLES.map(|table| table[index]), [0, 0, 0], "{index}");
        }
        assert_eq!(decode_block(&[0xff; BLOCK_BYTES]), [0; BLOCK]);
    }
}
