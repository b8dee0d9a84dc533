//! Ternary products by columns with `SDOT`: four listed columns are zipped into one operand.
//!
//! The frame for several tokens, and for one where a layout has no loop of its own. A chunk of the listed columns is
//! decoded block by block into tiles of eight outputs (`tile.rs`), and its activations, which lie apart, are brought
//! together once for all blocks.

use core::arch::aarch64::vdupq_n_s8;
use core::ops::Range;

use super::tile::{of_columns, products};
use super::{columns_i2, columns_t5};
use crate::layout::i2::k_padded;
use crate::layout::{i2, t5, tl2};
use crate::neon::columns::Columns;
use crate::neon::decode::{self, Group, LANES};
use crate::neon::gemm_rows::{FOURS, TOKENS, TileGroup, add_some};
use crate::neon::load::Aligned;
use crate::neon::rows::ROWS;
use crate::neon::ternary_rows::{Packed, X};
use crate::neon::tl2::VECTORS;

/// Sixteens of columns in a chunk for i2 and t5: a tile of 80 outputs takes 10 KiB.
const CHUNK: usize = 8;
/// The same for tl2, whose blocks have 384 outputs: 12 KiB.
const CHUNK_TL2: usize = 2;
/// Tokens whose activations are brought together at once: at most 4 KiB.
const GATHERED: usize = 32;
/// Outputs of a tile.
const EIGHT: usize = FOURS * ROWS;

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemm_columns_i8_i2(
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &mut [i32],
) {
    let columns = Columns::new(w, i2::row_bytes(n), outputs, columns);
    if m == 1 {
        return columns_i2::gemv(&columns, x, acc);
    }
    let packed = |block| block..block + 1;
    gemm::<{ i2::BLOCK / EIGHT }, CHUNK>(&columns, k, m, x, acc, packed, |_, rows, tile, four| {
        decode::i2(rows, |group, vectors| put(tile, group, four, of_columns(vectors)));
    });
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemm_columns_i8_t5(
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &mut [i32],
) {
    let columns = Columns::new(w, t5::row_bytes(n), outputs, columns);
    if m == 1 {
        return columns_t5::gemv(&columns, x, acc);
    }
    let packed = |block| block..block + 1;
    gemm::<{ t5::BLOCK / EIGHT }, CHUNK>(&columns, k, m, x, acc, packed, |_, rows, tile, four| {
        decode::t5(rows, |group, vectors| put(tile, group, four, of_columns(vectors)));
    });
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemm_columns_i8_tl2(
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &mut [i32],
) {
    let columns = Columns::new(w, tl2::row_bytes(n), outputs, columns);
    let whole = n / tl2::BLOCK;
    // The i2 tail of a column, shorter than a block, is one as well.
    let packed = |block| block * VECTORS..if block < whole { (block + 1) * VECTORS } else { columns.packed };
    gemm::<{ tl2::BLOCK / EIGHT }, CHUNK_TL2>(&columns, k, m, x, acc, packed, |block, rows, tile, four| {
        decode::tl2(rows, usize::from(block < whole), |group, vectors| {
            put(tile, group, four, of_columns(vectors));
        });
    });
}

/// Tiles of a block's outputs: `E` eights of them, `G` sixteens of columns.
type Tiles<const E: usize, const G: usize> = [[TileGroup; G]; E];

/// Puts sixteen outputs of the `four`th four columns in their place.
#[inline(always)]
fn put<const E: usize, const G: usize>(tiles: &mut Tiles<E, G>, group: usize, four: usize, vectors: Group) {
    for (i, vector) in vectors.into_iter().enumerate() {
        tiles[2 * group + i / FOURS][four / 4][four % 4][i % FOURS] = vector;
    }
}

/// `packed` says which vectors of a column hold a block; `decode(block, columns, tiles, four)` fills in four columns.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn gemm<const E: usize, const G: usize>(
    columns: &Columns<'_>,
    k: usize,
    m: usize,
    x: &[i8],
    acc: &mut [i32],
    packed: impl Fn(usize) -> Range<usize>,
    decode: impl Fn(usize, [&[Packed]; ROWS], &mut Tiles<E, G>, usize),
) {
    let Range { start, end } = columns.outputs;
    let width = end - start;
    if width == 0 {
        return;
    }
    let mut tiles = [[[[vdupq_n_s8(0); FOURS]; 4]; G]; E];
    for first in (0..m).step_by(GATHERED) {
        let used = (m - first).min(GATHERED);
        for (chunk, list) in columns.list.chunks(LANES * G).enumerate() {
            let x = gather::<G>(x, k_padded(k), first, used, list);
            for block in start / (E * EIGHT)..end.div_ceil(E * EIGHT) {
                for four in 0..list.len().div_ceil(ROWS) {
                    let at = |c| columns.part(chunk * LANES * G + four * ROWS + c, packed(block));
                    decode(block, [at(0), at(1), at(2), at(3)], &mut tiles, four);
                }
                let outputs = (block * E * EIGHT..end).step_by(EIGHT);
                for (tile, output) in tiles.iter().zip(outputs) {
                    let tile = &tile[..list.len().div_ceil(LANES)];
                    for t in (0..used).step_by(TOKENS) {
                        let some = (used - t).min(TOKENS);
                        let tokens: [&[X]; TOKENS] =
                            core::array::from_fn(|i| &x[(t + i).min(used - 1)][..tile.len()]);
                        let sums = products(tile, &tokens[..some.next_power_of_two()]);
                        for i in 0..some {
                            let acc = &mut acc[(first + t + i) * width..][output - start..width];
                            let (low, high) = acc.split_at_mut(acc.len().min(ROWS));
                            add_some(low, sums[0][i]);
                            add_some(high, sums[1][i]);
                        }
                    }
                }
            }
        }
    }
}

/// The activations of the listed columns for tokens `first..first + used`, zeros after them.
#[inline]
fn gather<const G: usize>(
    x: &[i8],
    stride: usize,
    first: usize,
    used: usize,
    list: &[u32],
) -> [[X; G]; GATHERED] {
    let mut gathered = [[Aligned([0; LANES]); G]; GATHERED];
    for (t, gathered) in gathered.iter_mut().enumerate().take(used) {
        let token = &x[(first + t) * stride..][..stride];
        for (group, list) in gathered.iter_mut().zip(list.chunks(LANES)) {
            for (x, column) in group.0.iter_mut().zip(list) {
                *x = token[*column as usize];
            }
        }
    }
    gathered
}
