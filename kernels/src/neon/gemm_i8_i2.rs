//! The frame of both ternary GEMMs: decode four rows to int8 once, multiply with every token.
//!
//! A tile of four rows stays in L1 as plain trits in element order, so the inner loop is an int8 product that knows
//! nothing of the layout. Backends supply that loop for four tokens and for one.

use core::arch::aarch64::{
    int8x16_t, uint8x16_t, vandq_u8, vdupq_n_s8, vdupq_n_u8, vreinterpretq_s8_u8, vshrq_n_s8, vshrq_n_u8,
    vsubq_s8,
};

use super::gemv_i8_i2::{WeightBlock, XBlock};
use super::load::{Load, expect_aligned};
use super::rows::{ROWS, rows_of};
use crate::layout::i2::{BLOCK_BYTES, row_bytes};

/// Blocks of a tile: 2560 weights of four rows are 10 KiB of int8, which leave room in a 32 KiB L1 for activations.
const TILE: usize = 40;
/// Tokens of a group: sixteen sums with [`ROWS`] rows, enough to hide the latency of any multiply-add.
pub(super) const TOKENS: usize = 4;

/// One decoded block of four rows: `[plane][row]`, 16 elements each.
pub(super) type Trits = [[int8x16_t; ROWS]; 4];
/// The sums of one token with four rows.
pub(super) type Sums = [i32; ROWS];

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn gemm(
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    four_tokens: impl Fn(&[Trits], [&[XBlock]; TOKENS]) -> [Sums; TOKENS],
    one_token: impl Fn(&[Trits], &[XBlock]) -> Sums,
) {
    out.fill(0);
    if n == 0 || m == 0 {
        return;
    }
    let w = expect_aligned(w.as_chunks::<BLOCK_BYTES>().0);
    let (x, _) = expect_aligned(x.as_chunks::<BLOCK_BYTES>().0).as_chunks::<4>();
    let n_blocks = row_bytes(k) / BLOCK_BYTES;
    let mut trits = [[[vdupq_n_s8(0); ROWS]; 4]; TILE];
    for (tile, out) in out.chunks_mut(ROWS * m).enumerate() {
        let rows = rows_of(w, n, n_blocks, n_blocks, tile);
        for start in (0..n_blocks).step_by(TILE) {
            let end = n_blocks.min(start + TILE);
            let trits = &mut trits[..end - start];
            for r in 0..ROWS {
                decode(&rows[r][start..end], r, trits);
            }
            let token = |t: usize| &x[t * n_blocks..][start..end];
            let mut t = 0;
            while t + TOKENS <= m {
                let x = [token(t), token(t + 1), token(t + 2), token(t + 3)];
                for sums in four_tokens(trits, x) {
                    add(sums, m, t, out);
                    t += 1;
                }
            }
            while t < m {
                add(one_token(trits, token(t)), m, t, out);
                t += 1;
            }
        }
    }
}

/// Decodes part of row `r`.
#[inline]
#[target_feature(enable = "neon")]
fn decode(row: &[WeightBlock], r: usize, trits: &mut [Trits]) {
    let one = vdupq_n_s8(1);
    let trit = |bits: uint8x16_t| vsubq_s8(vreinterpretq_s8_u8(vandq_u8(bits, vdupq_n_u8(3))), one);
    for (bytes, trits) in row.iter().zip(trits) {
        let bytes = bytes.load();
        trits[0][r] = trit(bytes);
        trits[1][r] = trit(vshrq_n_u8::<2>(bytes));
        trits[2][r] = trit(vshrq_n_u8::<4>(bytes));
        trits[3][r] = vshrq_n_s8::<6>(vreinterpretq_s8_u8(bytes));
    }
}

/// Adds one token's sums to its column of `out`, which holds up to four rows of `m`.
#[inline(always)]
fn add(sums: Sums, m: usize, t: usize, out: &mut [i32]) {
    for (row, sum) in out.chunks_exact_mut(m).zip(sums) {
        row[t] += sum;
    }
}
