//! The frame of ternary GEMMs by rows: decode eight rows once, multiply with every token.
//!
//! A segment of eight rows stays in L1 as plain trits, in the order in which a backend multiplies them, so the inner loop
//! is an int8 product that knows nothing of the layout. Eight rows and eight tokens make 64 sums in 16 registers.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s8, vreinterpretq_s32_s64, vreinterpretq_s64_s32, vtrn1q_s32,
    vtrn1q_s64, vtrn2q_s32, vtrn2q_s64,
};

use super::decode::{self, Group, LANES};
use super::load::{Load, expect_aligned, store_i32x4};
use super::rows::ROWS;
use super::ternary_rows::{Packed, X, vectors};
use super::tl2::VECTORS;
use crate::layout::{i2, t5, tl2};

/// Fours of rows in a tile.
pub(super) const FOURS: usize = 2;
/// Tokens of the largest group.
pub(super) const TOKENS: usize = 8;

/// Sixteen elements of a tile: four vectors for each four rows.
pub(super) type TileGroup = [[int8x16_t; FOURS]; 4];
/// Sums by four rows and by token; a lane is a row.
pub(super) type Sums = [[int32x4_t; TOKENS]; FOURS];

/// Groups of sixteen elements in a segment: whole blocks of i2 and of t5. A tile of them takes 10 KiB, which leave room
/// for activations in 32 KiB of L1.
const SEGMENT: usize = 80;
/// The same for tl2, whose blocks are larger.
const SEGMENT_TL2: usize = 3 * tl2::BLOCK / LANES;

const _: () =
    assert!((SEGMENT * LANES).is_multiple_of(i2::BLOCK) && (SEGMENT * LANES).is_multiple_of(t5::BLOCK));
const _: () = assert!(SEGMENT_TL2 <= SEGMENT);

/// How rows are cut: groups of sixteen elements in a row and in a segment, vectors of bytes in both.
struct Cut {
    groups: usize,
    segment_groups: usize,
    packed: usize,
    segment_packed: usize,
}

/// `arrange` puts sixteen elements of four rows in the order of `products`, which sums a tile with 1, 2, 4 or 8 tokens.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm_i2(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    arrange: impl Fn(Group) -> Group,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    let packed = i2::row_bytes(k) / size_of::<Packed>();
    let cut = Cut { groups: 4 * packed, segment_groups: SEGMENT, packed, segment_packed: SEGMENT / 4 };
    let decode = |rows: [&[Packed]; ROWS], _, tile: &mut [TileGroup], four| {
        decode::i2(rows, |group, vectors| put(tile, group, four, arrange(vectors)));
    };
    gemm(&cut, w, n, m, x, out, decode, products);
}

/// [`gemm_i2`] for t5.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm_t5(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    arrange: impl Fn(Group) -> Group,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    const DIGITS: usize = t5::DIGITS;
    let packed = t5::row_bytes(k) / size_of::<Packed>();
    let cut =
        Cut { groups: DIGITS * packed, segment_groups: SEGMENT, packed, segment_packed: SEGMENT / DIGITS };
    let decode = |rows: [&[Packed]; ROWS], _, tile: &mut [TileGroup], four| {
        decode::t5(rows, |group, vectors| put(tile, group, four, arrange(vectors)));
    };
    gemm(&cut, w, n, m, x, out, decode, products);
}

/// [`gemm_i2`] for tl2.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm_tl2(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    arrange: impl Fn(Group) -> Group,
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    let packed = tl2::row_bytes(k) / size_of::<Packed>();
    let cut = Cut {
        groups: i2::k_padded(k) / LANES,
        segment_groups: SEGMENT_TL2,
        packed,
        segment_packed: SEGMENT_TL2 * LANES / tl2::BLOCK * VECTORS,
    };
    let decode = |rows: [&[Packed]; ROWS], first: usize, tile: &mut [TileGroup], four| {
        let blocks = (k / tl2::BLOCK - first * LANES / tl2::BLOCK).min(rows[0].len() / VECTORS);
        decode::tl2(rows, blocks, |group, vectors| put(tile, group, four, arrange(vectors)));
    };
    gemm(&cut, w, n, m, x, out, decode, products);
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

/// `decode(rows, first group, tile, which four)` fills a tile's half from a segment of four rows.
#[inline]
#[target_feature(enable = "neon")]
fn gemm(
    cut: &Cut,
    w: &[u8],
    n: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    decode: impl Fn([&[Packed]; ROWS], usize, &mut [TileGroup], usize),
    products: impl Fn(&[TileGroup], &[&[X]]) -> Sums,
) {
    out.fill(0);
    if n == 0 || m == 0 {
        return;
    }
    let w = expect_aligned(w.as_chunks::<16>().0);
    let x = vectors(x);
    let per_token = x.len() / m;
    let groups = cut.groups.min(per_token);
    let mut tile = [[[vdupq_n_s8(0); FOURS]; 4]; SEGMENT];
    for (eight, out) in out.chunks_mut(FOURS * ROWS * m).enumerate() {
        let row = |r: usize| &w[(eight * FOURS * ROWS + r).min(n - 1) * cut.packed..][..cut.packed];
        for (segment, first) in (0..groups).step_by(cut.segment_groups).enumerate() {
            let count = cut.segment_groups.min(groups - first);
            let start = segment * cut.segment_packed;
            let end = cut.packed.min(start + cut.segment_packed);
            let tile = &mut tile[..count];
            for four in 0..FOURS {
                let rows = [0, 1, 2, 3].map(|r| &row(four * ROWS + r)[start..end]);
                decode(rows, first, tile, four);
            }
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
