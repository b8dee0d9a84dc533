//! `i8_split`: an int8 table in two planes, the high 5 bits of every weight and the low 3.
//!
//! A weight `w` in -128..=127 is `8 h + l` with `h = w >> 3` in -16..=15 and `l = w & 7`. The high plane holds the code
//! `h + 16`, the low plane `l`. A reader of the high plane alone knows every weight to within 7 steps, for 5/8 of the
//! bytes. A row is `ceil(k / 128)` blocks of 128 weights: 80 bytes of the high plane, 48 of the low. Sixteen weights,
//! `16 q` to `16 q + 15`, make code vector q of eight; byte `t` of a vector belongs to weight `16 q + t`.
//!
//! ```text
//!   high   bit   7   6   5   4   3   2   1   0        low   bit   7   6   5   4   3   2   1   0
//!              +-----------+-------------------+              +-------+-----------+-----------+
//!   bytes 0..16| 5: 2 to 0 |         0         |   bytes 0..16|6: 1,0 |     1     |     0     |
//!              +-------+---+-------------------+              +-------+-----------+-----------+
//!        16..32|5: 4,3 |7:3|         1         |        16..32|7: 1,0 |     3     |     2     |
//!              +-------+---+-------------------+              +---+---+-----------+-----------+
//!        32..48| 6: 2 to 0 |         2         |        32..48|7:2|6:2|     5     |     4     |
//!              +-------+---+-------------------+              +---+---+-----------+-----------+
//!        48..64|6: 4,3 |7:4|         3         |
//!              +-------+---+-------------------+        `5: 2 to 0` are bits 2 to 0 of the codes
//!        64..80| 7: 2 to 0 |         4         |        of vector 5; a bare number is a whole code.
//!              +-----------+-------------------+
//! ```
//!
//! Vectors come out whole: five masks, three shifts, three shift-and-insert and a select per 128 weights of the high
//! plane, and no table. Elements past `k` in the last block are weight 0: high code 16, low code 0.
//!
//! What is left unknown is bounded: `2 w = 16 h + 7 + (2 l - 7)`, so with `S = Σ x` a row's `2 Σ w x` is
//! `16 Σ h x + 7 S` plus at most `|2 l - 7| · |x|` (Cauchy), where [`low_norm`] is the first factor.

/// Weights in a block.
pub const BLOCK: usize = 128;
/// Bytes of a block of the high plane.
pub const HIGH_BLOCK_BYTES: usize = 80;
/// Bytes of a block of the low plane.
pub const LOW_BLOCK_BYTES: usize = 48;
/// What high codes are above `w >> 3`.
pub const HIGH_OFFSET: u8 = 16;
/// The largest [`low_norm`] of a row of `k` weights is `ceil(7 sqrt(k))`; this is that of the longest row, 65536.
pub const MAX_LOW_NORM: u32 = 1792;

/// Weights in a vector of codes.
const LANES: usize = 16;
/// Vectors of codes in a block.
const VECTORS: usize = 8;

const _: () = assert!(BLOCK == VECTORS * LANES);
const _: () = assert!(BLOCK * 5 == HIGH_BLOCK_BYTES * 8 && BLOCK * 3 == LOW_BLOCK_BYTES * 8);

/// Bytes of a row of `k` weights in the high plane: a multiple of 16.
#[must_use]
pub const fn high_row_bytes(k: usize) -> usize {
    k.div_ceil(BLOCK) * HIGH_BLOCK_BYTES
}

/// Bytes of a row of `k` weights in the low plane: a multiple of 16.
#[must_use]
pub const fn low_row_bytes(k: usize) -> usize {
    k.div_ceil(BLOCK) * LOW_BLOCK_BYTES
}

/// `k` rounded up to whole blocks: the length of the activations that kernels read.
#[must_use]
pub const fn k_padded(k: usize) -> usize {
    k.div_ceil(BLOCK) * BLOCK
}

/// Splits one row of weights.
///
/// | arg       | shape                 | meaning               |
/// |-----------|-----------------------|-----------------------|
/// | `weights` | `[k]`                 | i8, every value       |
/// | `high`    | `[high_row_bytes(k)]` | every byte is written |
/// | `low`     | `[low_row_bytes(k)]`  | every byte is written |
///
/// # Panics
/// If `high` or `low` has another length.
pub fn pack_row(weights: &[i8], high: &mut [u8], low: &mut [u8]) {
    let k = weights.len();
    assert_eq!(high.len(), high_row_bytes(k), "bytes of the high row for k = {k}");
    assert_eq!(low.len(), low_row_bytes(k), "bytes of the low row for k = {k}");
    let (high, _) = high.as_chunks_mut::<HIGH_BLOCK_BYTES>();
    let (low, _) = low.as_chunks_mut::<LOW_BLOCK_BYTES>();
    for ((weights, high), low) in weights.chunks(BLOCK).zip(high).zip(low) {
        let weight = |i: usize| weights.get(i).copied().unwrap_or(0);
        for t in 0..LANES {
            let h: [u8; VECTORS] =
                core::array::from_fn(|q| ((weight(q * LANES + t) >> 3) + 16).cast_unsigned());
            high[t] = h[0] | h[5] << 5;
            high[LANES + t] = h[1] | h[7] << 2 & 0x20 | h[5] << 3 & 0xc0;
            high[2 * LANES + t] = h[2] | h[6] << 5;
            high[3 * LANES + t] = h[3] | h[7] << 1 & 0x20 | h[6] << 3 & 0xc0;
            high[4 * LANES + t] = h[4] | h[7] << 5;
            let l: [u8; VECTORS] = core::array::from_fn(|q| weight(q * LANES + t).cast_unsigned() & 7);
            low[t] = l[0] | l[1] << 3 | l[6] << 6;
            low[LANES + t] = l[2] | l[3] << 3 | l[7] << 6;
            low[2 * LANES + t] = l[4] | l[5] << 3 | l[6] << 4 & 0x40 | l[7] << 5 & 0x80;
        }
    }
}

/// Joins one row of weights again; the inverse of [`pack_row`].
///
/// | arg       | shape                 |
/// |-----------|-----------------------|
/// | `high`    | `[high_row_bytes(k)]` |
/// | `low`     | `[low_row_bytes(k)]`  |
/// | `weights` | `[k]`                 |
///
/// # Panics
/// If `high` or `low` has another length.
pub fn unpack_row(high: &[u8], low: &[u8], weights: &mut [i8]) {
    let k = weights.len();
    assert_eq!(high.len(), high_row_bytes(k), "bytes of the high row for k = {k}");
    assert_eq!(low.len(), low_row_bytes(k), "bytes of the low row for k = {k}");
    let (high, _) = high.as_chunks::<HIGH_BLOCK_BYTES>();
    let (low, _) = low.as_chunks::<LOW_BLOCK_BYTES>();
    let mut block = [0; BLOCK];
    for ((high, low), weights) in high.iter().zip(low).zip(weights.chunks_mut(BLOCK)) {
        unpack_block(high, low, &mut block);
        weights.copy_from_slice(&block[..weights.len()]);
    }
}

/// Joins the weights of one block.
#[inline]
pub fn unpack_block(high: &[u8; HIGH_BLOCK_BYTES], low: &[u8; LOW_BLOCK_BYTES], weights: &mut [i8; BLOCK]) {
    for t in 0..LANES {
        let (high, low) = (high_codes(high, t), low_codes(low, t));
        for q in 0..VECTORS {
            // Flipping the top bit turns the code's offset into two's complement.
            weights[q * LANES + t] = ((high[q] << 3 | low[q]) ^ 0x80).cast_signed();
        }
    }
}

/// Codes of byte `t` (`0..16`) of the eight vectors of a block of the high plane, each 0 to 31.
#[must_use]
#[inline]
pub fn high_codes(block: &[u8; HIGH_BLOCK_BYTES], t: usize) -> [u8; 8] {
    let v: [u8; 5] = core::array::from_fn(|i| block[i * LANES + t]);
    [
        v[0] & 31,
        v[1] & 31,
        v[2] & 31,
        v[3] & 31,
        v[4] & 31,
        v[0] >> 5 | v[1] >> 3 & 0x18,
        v[2] >> 5 | v[3] >> 3 & 0x18,
        v[4] >> 5 | v[1] >> 2 & 0x08 | v[3] >> 1 & 0x10,
    ]
}

/// Codes of byte `t` (`0..16`) of the eight vectors of a block of the low plane, each 0 to 7.
#[must_use]
#[inline]
pub fn low_codes(block: &[u8; LOW_BLOCK_BYTES], t: usize) -> [u8; 8] {
    let u: [u8; 3] = core::array::from_fn(|i| block[i * LANES + t]);
    [
        u[0] & 7,
        u[0] >> 3 & 7,
        u[1] & 7,
        u[1] >> 3 & 7,
        u[2] & 7,
        u[2] >> 3 & 7,
        u[0] >> 6 | u[2] >> 4 & 4,
        u[1] >> 6 | u[2] >> 5 & 4,
    ]
}

/// `ceil(|2 l - 7|)` over the `k` weights of a row of the low plane: what bounds the row's unknown part.
///
/// # Panics
/// If `low` is not `low_row_bytes(k)` long, or `k` is over 65536.
#[must_use]
pub fn low_norm(low: &[u8], k: usize) -> u32 {
    assert_eq!(low.len(), low_row_bytes(k), "bytes of the low row for k = {k}");
    assert!(k <= 65536, "k = {k} is over 65536");
    let mut squares = 0;
    for (b, block) in low.as_chunks::<LOW_BLOCK_BYTES>().0.iter().enumerate() {
        for t in 0..LANES {
            for (q, code) in low_codes(block, t).into_iter().enumerate() {
                if b * BLOCK + q * LANES + t < k {
                    let centred = 2 * i32::from(code) - 7;
                    squares += (centred * centred).cast_unsigned();
                }
            }
        }
    }
    let root = squares.isqrt();
    root + u32::from(root * root < squares)
}

/// Whether a row is what [`pack_row`] can write for `k` weights: the lengths of both parts, and zero padding.
#[must_use]
pub fn is_valid(high: &[u8], low: &[u8], k: usize) -> bool {
    is_valid_high(high, k) && is_valid_low(low, k)
}

/// The part of [`is_valid`] that the high plane shows.
#[must_use]
pub fn is_valid_high(high: &[u8], k: usize) -> bool {
    let last = high.as_chunks::<HIGH_BLOCK_BYTES>().0.last();
    high.len() == high_row_bytes(k)
        && last.is_none_or(|block| padding_is(k, HIGH_OFFSET, |t| high_codes(block, t)))
}

/// The part of [`is_valid`] that the low plane shows.
#[must_use]
pub fn is_valid_low(low: &[u8], k: usize) -> bool {
    let last = low.as_chunks::<LOW_BLOCK_BYTES>().0.last();
    low.len() == low_row_bytes(k) && last.is_none_or(|block| padding_is(k, 0, |t| low_codes(block, t)))
}

/// Whether all codes of the last block past `k` are `zero`.
fn padding_is(k: usize, zero: u8, codes: impl Fn(usize) -> [u8; VECTORS]) -> bool {
    let used = (k + BLOCK - 1) % BLOCK + 1;
    (used..BLOCK).all(|i| codes(i % LANES)[i / LANES] == zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 300;

    #[test]
    fn splitting_and_joining_gives_back_every_weight() {
        for k in [0, 1, 15, 16, 17, 127, 128, 129, 255, 256, 257, LONGEST] {
            let mut weights = [0_i8; LONGEST];
            for (i, weight) in weights.iter_mut().enumerate() {
                *weight = (i * 37 % 256).to_le_bytes()[0].cast_signed();
            }
            let (mut high, mut low) = ([0xff; high_row_bytes(LONGEST)], [0xff; low_row_bytes(LONGEST)]);
            let (high, low) = (&mut high[..high_row_bytes(k)], &mut low[..low_row_bytes(k)]);
            pack_row(&weights[..k], high, low);
            assert!(is_valid(high, low, k), "k = {k}");
            let mut back = [99; LONGEST];
            unpack_row(high, low, &mut back[..k]);
            assert_eq!(back[..k], weights[..k], "k = {k}");
        }
    }

    #[test]
    fn bits_stand_where_the_diagram_says() {
        let bits_of = |i: usize, w: i8| {
            let mut weights = [0; BLOCK];
            weights[i] = w;
            let (mut high, mut low) = ([0; HIGH_BLOCK_BYTES], [0; LOW_BLOCK_BYTES]);
            pack_row(&weights, &mut high, &mut low);
            (high, low)
        };
        let (zero_high, zero_low) = bits_of(0, 0);
        assert_eq!(zero_low, [0; LOW_BLOCK_BYTES]);
        // Code 16 in every vector: its bit 4 is set.
        assert_eq!([0, 16, 32, 48, 64].map(|i| zero_high[i]), [0x10, 0x90, 0x10, 0xb0, 0x10]);
        // -1 is code 15 and low 7. Weight 83 is byte 3 of vector 5: its bits 2 to 0 in bytes 0.., 4 and 3 in 16...
        let (high, low) = bits_of(83, -1);
        assert_eq!([3, 19, 35, 51, 67].map(|i| high[i]), [0xf0, 0x50, 0x10, 0xb0, 0x10]);
        assert_eq!([3, 19, 35].map(|i| low[i]), [0, 0, 0x38]);
        // Weight 115 is byte 3 of vector 7.
        let (high, low) = bits_of(115, -1);
        assert_eq!([3, 19, 35, 51, 67].map(|i| high[i]), [0x10, 0xb0, 0x10, 0x90, 0xf0]);
        assert_eq!([3, 19, 35].map(|i| low[i]), [0, 0xc0, 0x80]);
    }

    #[test]
    fn dirty_padding_and_wrong_lengths_are_invalid() {
        let weights = [-77; 129];
        let (mut high, mut low) = ([0; 2 * HIGH_BLOCK_BYTES], [0; 2 * LOW_BLOCK_BYTES]);
        pack_row(&weights, &mut high, &mut low);
        assert!(is_valid(&high, &low, 129));
        assert!(!is_valid(&high, &low, 128) && !is_valid(&high[1..], &low, 129));
        assert!(!is_valid_high(&high[..HIGH_BLOCK_BYTES], 129) && !is_valid_low(&low[..1], 129));
        high[HIGH_BLOCK_BYTES + 1] ^= 1;
        low[LOW_BLOCK_BYTES + 47] ^= 0x80;
        assert!(!is_valid_high(&high, 129) && !is_valid_low(&low, 129));
    }

    #[test]
    fn the_norm_is_rounded_up_and_takes_the_weights_alone() {
        let norm = |weights: &[i8]| {
            let (mut high, mut low) = ([0; HIGH_BLOCK_BYTES], [0; LOW_BLOCK_BYTES]);
            pack_row(weights, &mut high, &mut low);
            low_norm(&low, weights.len())
        };
        assert_eq!(low_norm(&[], 0), 0);
        assert_eq!(norm(&[0]), 7);
        assert_eq!(norm(&[3]), 1);
        assert_eq!(norm(&[-1, -1]), 10); // sqrt(98) = 9.9
        assert_eq!(norm(&[0; 128]), 80); // sqrt(6272) = 79.2
        assert_eq!(MAX_LOW_NORM, 7 * 256);
    }
}
