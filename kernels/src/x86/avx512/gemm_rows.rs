//! GEMM over row-major matrices: tiles of 64 rows, decoded strip by strip, times up to 128 tokens.
//!
//! The sums of a tile stand in a scratch of their own, rows side by side, and are turned into the caller's `[n, m]`
//! when the tile is done. What is known of the activations is found once for all tiles of a call.

use core::arch::x86_64::{_mm512_add_epi32, _mm512_setzero_si512};

use super::load;
use super::transpose::transpose16;
use super::winograd::{Activations, GROUP, GROUPS, MAX_TOKENS, ROWS, STRIP, Strip, Tile, multiply};
use crate::layout::i2::k_padded;

/// Strips whose activations are looked at together: 8192 elements, 40 KiB of stack.
const PANEL: usize = 32;

/// `out = w · x` with `decode(first_row, strip, tile)`: what fills a tile with 64 rows of a strip.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
pub(super) fn gemm_rows(
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    decode: impl Fn(usize, usize, &mut Tile),
) {
    let k_padded = k_padded(k);
    if k_padded == 0 {
        return out.fill(0);
    }
    let mut tile = Tile::new();
    let mut sums = [[0; ROWS]; MAX_TOKENS];
    let mut panel = [Activations::NONE; PANEL];
    let n_strips = k_padded.div_ceil(STRIP);
    for first_token in (0..m).step_by(MAX_TOKENS) {
        let n_tokens = MAX_TOKENS.min(m - first_token);
        let strip = |s: usize| Strip {
            x: &x[first_token * k_padded + s * STRIP..],
            stride: k_padded,
            len: STRIP.min(k_padded - s * STRIP),
            n_tokens,
        };
        for first_strip in (0..n_strips).step_by(PANEL) {
            let strips = first_strip..n_strips.min(first_strip + PANEL);
            for (s, activations) in strips.clone().zip(&mut panel) {
                activations.prepare(strip(s));
            }
            for (i, out) in out.chunks_mut(ROWS * m).enumerate() {
                let sums = &mut sums[..n_tokens];
                sums.fill([0; ROWS]);
                let n_groups = (out.len() / m).div_ceil(GROUP);
                for (s, activations) in strips.clone().zip(&panel) {
                    decode(i * ROWS, s, &mut tile);
                    let acc = sums.as_flattened_mut();
                    match n_groups {
                        1 => multiply::<1>(&tile, strip(s), activations, acc, ROWS),
                        2 => multiply::<2>(&tile, strip(s), activations, acc, ROWS),
                        3 => multiply::<3>(&tile, strip(s), activations, acc, ROWS),
                        _ => multiply::<GROUPS>(&tile, strip(s), activations, acc, ROWS),
                    }
                }
                turn(sums, first_token, m, out, first_strip > 0);
            }
        }
    }
}

/// `out[j, first_token + t] = sums[t, j]`, or `+=`, for the rows that `out: [.., m]` has.
#[inline]
#[target_feature(enable = "avx512f")]
fn turn(sums: &[[i32; ROWS]], first_token: usize, m: usize, out: &mut [i32], add: bool) {
    for (i, sums) in sums.chunks(GROUP).enumerate() {
        for (g, out) in out.chunks_mut(GROUP * m).enumerate() {
            let mut square = [_mm512_setzero_si512(); GROUP];
            for (square, sums) in square.iter_mut().zip(sums) {
                *square = load::i32x16(&sums.as_chunks::<GROUP>().0[g]);
            }
            for (row, sums_of_row) in out.chunks_mut(m).zip(transpose16(square)) {
                let row = &mut row[first_token + i * GROUP..][..sums.len()];
                let before = if add { load::i32_up_to_16(row) } else { _mm512_setzero_si512() };
                load::store_i32_up_to_16(row, _mm512_add_epi32(before, sums_of_row));
            }
        }
    }
}
