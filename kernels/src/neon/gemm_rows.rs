//! The frame of ternary GEMMs by rows: decode eight rows once, multiply with every token.
//!
//! A segment of eight rows stays in L1 as plain trits, in the order in which a backend multiplies them, so the inner loop
//! is an int8 product that knows nothing of the layout. Eight rows and eight tokens make 64 sums in 16 registers.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s8, vreinterpretq_s32_s64, vreinterpretq_s64_s32, vtrn1q_s32,
    vtrn1q_s64, vtrn2q_s32, vtrn2q_s64,
};

use super::decode::{self, Group, LANES};
use super::load::{Aligned, Load, expect_aligned, store_i32x4};
use super::rows::ROWS;
use super::ternary_rows::{Packed, X, vectors};
use super::tl2::VECTORS;
use crate::layout::{TernaryLayout, i2, t5, tl1, tl2};

/// Fours of rows in a tile.
pub(super) const FOURS: usize = 2;
/// Tokens of the largest group.
pub(super) const TOKENS: usize = 8;

/// Sixteen elements of a tile: four vectors for each four rows.
pub(super) type TileGroup = [[int8x16_t; FOURS]; 4];
/// Sums by four rows and by token; a lane is a row.
pub(super) type Sums = [[int32x4_t; TOKENS]; FOURS];

/// `arrange` puts sixteen elements of four rows in the order of `products`, which sums a tile with 1, 2, 4 or 8 tokens.
/// `S` sixteens of a row, whole blocks of it, are decoded at once.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm_i2<const S: usize>(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    arrange: impl Fn(Group) -> Group,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    const GROUPS: usize = i2::BLOCK / LANES;
    const { assert!(S.is_multiple_of(GROUPS)) };
    let rows = Matrix::new(w, n, i2::row_bytes(k));
    gemm::<S>(n, m, x, out, GROUPS * rows.packed, products, |row, first, tile| {
        for four in 0..FOURS {
            let part = rows.four(row + four * ROWS, first / GROUPS, (first + S) / GROUPS);
            decode::i2(part, |group, vectors| put(tile, group, four, arrange(vectors)));
        }
    });
}

/// [`gemm_i2`] for t5.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm_t5<const S: usize>(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    arrange: impl Fn(Group) -> Group,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    const GROUPS: usize = t5::DIGITS;
    const { assert!(S.is_multiple_of(GROUPS)) };
    let rows = Matrix::new(w, n, t5::row_bytes(k));
    gemm::<S>(n, m, x, out, GROUPS * rows.packed, products, |row, first, tile| {
        for four in 0..FOURS {
            let part = rows.four(row + four * ROWS, first / GROUPS, (first + S) / GROUPS);
            decode::t5(part, |group, vectors| put(tile, group, four, arrange(vectors)));
        }
    });
}

/// [`gemm_i2`] for tl2.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm_tl2<const S: usize>(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    arrange: impl Fn(Group) -> Group,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    const GROUPS: usize = tl2::BLOCK / LANES;
    const { assert!(S.is_multiple_of(GROUPS)) };
    let most = S / GROUPS;
    let rows = Matrix::new(w, n, tl2::row_bytes(k));
    gemm::<S>(n, m, x, out, i2::k_padded(k) / LANES, products, |row, first, tile| {
        let start = first / GROUPS;
        let blocks = (k / tl2::BLOCK - start).min(most);
        // A segment that is not full takes the i2 tail as well.
        let end = if blocks == most { (start + most) * VECTORS } else { rows.packed };
        for four in 0..FOURS {
            let part = rows.four(row + four * ROWS, start * VECTORS, end);
            decode::tl2(part, blocks, |group, vectors| put(tile, group, four, arrange(vectors)));
        }
    });
}

/// [`gemm_i2`] for tl1, whose rows are decoded one weight at a time: its tiles have no vectors along a row.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm_tl1<const S: usize>(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    arrange: impl Fn(Group) -> Group,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    let (pairs, _) = w.as_chunks::<{ tl1::PAIR_BYTES }>();
    let per_tile = tl1::tile_bytes(k) / tl1::PAIR_BYTES;
    gemm::<S>(n, m, x, out, per_tile.div_ceil(LANES / 2), products, |row, first, tile| {
        let pairs = &pairs[row / tl1::TILE_ROWS * per_tile..][..per_tile];
        for (group, tile) in tile.iter_mut().enumerate() {
            let pairs = pairs.iter().skip((first + group) * LANES / 2).take(LANES / 2);
            for four in 0..FOURS {
                let mut rows = [Aligned([0; LANES]); ROWS];
                for (p, pair) in pairs.clone().enumerate() {
                    for (r, weights) in rows.iter_mut().enumerate() {
                        let row = (row + four * ROWS + r) % tl1::TILE_ROWS;
                        weights.0[2 * p..2 * p + 2].copy_from_slice(&tl1::decode_row(pair, row));
                    }
                }
                let vectors = arrange(rows.each_ref().map(Load::load));
                for (place, vector) in tile.iter_mut().zip(vectors) {
                    place[four] = vector;
                }
            }
        }
    });
}

/// Rows of vectors.
struct Matrix<'w> {
    w: &'w [Packed],
    n: usize,
    /// Vectors of a row.
    packed: usize,
}

impl<'w> Matrix<'w> {
    fn new(w: &'w [u8], n: usize, row_bytes: usize) -> Self {
        Self { w: expect_aligned(w.as_chunks().0), n, packed: row_bytes / size_of::<Packed>() }
    }

    /// Vectors `start..end`, or to the end of the row, of four rows; past the last row, that row again.
    #[inline]
    fn four(&self, first: usize, start: usize, end: usize) -> [&'w [Packed]; ROWS] {
        let end = end.min(self.packed);
        [0, 1, 2, 3].map(|r| &self.w[(first + r).min(self.n - 1) * self.packed..][start..end])
    }
}

/// Puts a group in its place. The last block of a row may have groups past the activations: there is no place for them.
#[inline(always)]
fn put(tile: &mut [TileGroup], group: usize, four: usize, vectors: Group) {
    if let Some(place) = tile.get_mut(group) {
        for (place, vector) in place.iter_mut().zip(vectors) {
            place[four] = vector;
        }
    }
}

/// `fill(row, group, tile)` decodes eight rows from `row` on, and of them groups from `group` on; a row has `groups`,
/// and a segment at most `S`: 80 take 10 KiB, which leave room for activations in 32 KiB of L1.
#[inline]
#[target_feature(enable = "neon")]
fn gemm<const S: usize>(
    n: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    groups: usize,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
    fill: impl Fn(usize, usize, &mut [TileGroup]),
) {
    out.fill(0);
    if n == 0 || m == 0 {
        return;
    }
    let x = vectors(x);
    let per_token = x.len() / m;
    let groups = groups.min(per_token);
    let mut tile = [[[vdupq_n_s8(0); FOURS]; 4]; S];
    for (eight, out) in out.chunks_mut(FOURS * ROWS * m).enumerate() {
        for first in (0..groups).step_by(S) {
            let count = S.min(groups - first);
            let tile = &mut tile[..count];
            fill(eight * FOURS * ROWS, first, tile);
            let token = |t: usize| &x[t.min(m - 1) * per_token..][first..first + count];
            for t in (0..m).step_by(TOKENS) {
                let tokens: [&[X]; TOKENS] = core::array::from_fn(|i| token(t + i));
                let used = (m - t).min(TOKENS);
                let sums = products(tile, &tokens[..used.next_power_of_two()]);
                for (sums, out) in sums.into_iter().zip(out.chunks_mut(ROWS * m)) {
                    add(sums, t, used, m, out);
                }
            }
        }
    }
}

/// Adds the sums of four rows and up to eight tokens to `out`, which holds up to four rows of `m`, from token `t` on.
#[inline]
#[target_feature(enable = "neon")]
fn add(sums: [int32x4_t; TOKENS], t: usize, used: usize, m: usize, out: &mut [i32]) {
    let (fours, _) = sums.as_chunks::<4>();
    for (four, at) in fours.iter().zip((0..used).step_by(4)) {
        for (row, sums) in out.chunks_exact_mut(m).zip(transpose(*four)) {
            add_some(&mut row[t + at..t + used.min(at + 4)], sums);
        }
    }
}

/// Adds lanes to as many places as there are, four at most.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn add_some(out: &mut [i32], sums: int32x4_t) {
    if let Some(out) = out.first_chunk_mut::<4>() {
        store_i32x4(out, vaddq_s32(out.load(), sums));
        return;
    }
    let mut lanes = [0; 4];
    store_i32x4(&mut lanes, sums);
    for (out, sum) in out.iter_mut().zip(lanes) {
        *out = out.wrapping_add(sum);
    }
}

/// Rows to columns.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn transpose([a, b, c, d]: [int32x4_t; 4]) -> [int32x4_t; 4] {
    let wide = |v| vreinterpretq_s64_s32(v);
    let (ab0, ab1) = (wide(vtrn1q_s32(a, b)), wide(vtrn2q_s32(a, b)));
    let (cd0, cd1) = (wide(vtrn1q_s32(c, d)), wide(vtrn2q_s32(c, d)));
    [vtrn1q_s64(ab0, cd0), vtrn1q_s64(ab1, cd1), vtrn2q_s64(ab0, cd0), vtrn2q_s64(ab1, cd1)]
        .map(|v| vreinterpretq_s32_s64(v))
}

/// A GEMM for so few tokens that decoding a tile costs more than it saves: one GEMV for each token, on `R` rows at a
/// time, which stay in cache between tokens.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn few_tokens<const R: usize>(
    layout: TernaryLayout,
    w: &[u8],
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    gemv: impl Fn(&[u8], usize, &[i8], &mut [i32]),
) {
    if m == 0 || k == 0 {
        return out.fill(0);
    }
    for (block, out) in out.chunks_mut(R * m).enumerate() {
        let rows = out.len() / m;
        let w = &w[block * layout.matrix_bytes(R, k)..][..layout.matrix_bytes(rows, k)];
        for (t, x) in x.chunks_exact(i2::k_padded(k)).enumerate() {
            let mut sums = [0; R];
            gemv(w, rows, x, &mut sums[..rows]);
            for (row, sum) in out.chunks_exact_mut(m).zip(sums) {
                row[t] = sum;
            }
        }
    }
}
