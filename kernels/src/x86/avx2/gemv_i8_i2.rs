//! Ternary GEMV with `VPMADDUBSW`: unsigned weight codes × signed activations, pairs summed in int16.
//!
//! Two blocks (32 bytes, 128 weights) fill a register. With the top plane's sign bit flipped its code is `trit + 2`,
//! so all planes are unsigned and the result is corrected once per row by `Σ x (planes 0-2) + 2 Σ x (plane 3)`, the
//! same for every row. All planes are shifted down and share one accumulator: leaving two of them in place, four times
//! too large in accumulators of their own, saves two shifts and was not faster (19 cycles for 128 bytes, both, Zen 4).

use core::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_inserti128_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256,
    _mm256_srli_epi16, _mm256_xor_si256, _mm256_zextsi128_si256,
};

use super::{load, sum};
use crate::layout::i2::{BLOCK, BLOCK_BYTES, OFFSET_ELEMENTS, row_bytes};

/// Rows that share the activations: 4 accumulators, 4 planes of x, 2 constants and temporaries fit 16 registers.
const ROWS: usize = 4;

/// Pairs of blocks summed in int16 before widening. A code is at most 3, so one product pair is at most `2 · 3 · 128`;
/// forty of them (four planes, ten pairs) stay under 2¹⁵ for every byte.
const GROUP: usize = 10;
const _: () = assert!(GROUP * 4 * (2 * 3 * 128) < 1 << 15);

/// Pairs of blocks whose activations are arranged at once: 8192 elements, 8 KiB of stack, one pass for common models.
const STRIP: usize = 64;

/// Turns the top plane's two's complement into `trit + 2`.
pub(super) const FLIP_TOP: i8 = 0x80_u8.cast_signed();

/// Rows ahead of the loads that are asked for, in the order of memory: four rows that advance together look to the
/// hardware like four short streams, and lines come in at a third of the speed.
const AHEAD: usize = 2 * ROWS;

/// The planes of two blocks of activations: the first block's in the lower halves, the second's in the upper.
type Planes = [__m256i; 4];

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_i8_i2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    gemv(w, k, x, out, |i| i.min(n - 1));
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_rows_i8_i2(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    gemv(w, k, x, out, |i| rows[i.min(rows.len() - 1)] as usize);
}

/// `out[i]` is the product with row `row(i)`; past the last one, that row again: its sums are dropped.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn gemv(w: &[u8], k: usize, x: &[i8], out: &mut [i32], row_at: impl Fn(usize) -> usize) {
    let row_bytes = row_bytes(k);
    let (x, _) = x.as_chunks::<BLOCK>();
    out.fill(-offset(x));
    let mut planes = [[_mm256_setzero_si256(); 4]; STRIP];
    for (strip, x) in x.chunks(2 * STRIP).enumerate() {
        arrange(x, &mut planes);
        let first_byte = strip * 2 * STRIP * BLOCK_BYTES;
        for (tile, out) in out.chunks_mut(ROWS).enumerate() {
            let row =
                |r: usize| &w[row_at(tile * ROWS + r) * row_bytes + first_byte..][..x.len() * BLOCK_BYTES];
            let sums = dot_rows([row(0), row(1), row(2), row(3)], &planes);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += sum;
            }
        }
    }
}

/// What unsigned codes add to every row: `Σ x` over planes 0 to 2 and `2 Σ x` over plane 3.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn offset(x: &[[i8; BLOCK]]) -> i32 {
    let mut sum = 0;
    for block in x {
        for (i, x) in block.iter().enumerate() {
            sum += if i < OFFSET_ELEMENTS { i32::from(*x) } else { 2 * i32::from(*x) };
        }
    }
    sum
}

/// Arranges activations as the weights of two blocks stand in a register. After an odd block the upper half is zero.
#[inline]
#[target_feature(enable = "avx2")]
fn arrange(x: &[[i8; BLOCK]], planes: &mut [Planes; STRIP]) {
    for (pair, planes) in x.chunks(2).zip(planes) {
        let (first, _) = pair[0].as_chunks::<BLOCK_BYTES>();
        for (plane, first) in planes.iter_mut().zip(first) {
            *plane = _mm256_zextsi128_si256(load::i8x16(first));
        }
        if let [_, second] = pair {
            for (plane, second) in planes.iter_mut().zip(second.as_chunks::<BLOCK_BYTES>().0) {
                *plane = _mm256_inserti128_si256::<1>(*plane, load::i8x16(second));
            }
        }
    }
}

/// `Σ code · x` of four rows over one strip.
#[inline]
#[target_feature(enable = "avx2")]
fn dot_rows([a, b, c, d]: [&[u8]; ROWS], planes: &[Planes; STRIP]) -> [i32; ROWS] {
    let n_pairs = (a.len() / (2 * BLOCK_BYTES)).min(STRIP);
    let pairs = |row| &<[u8]>::as_chunks::<{ 2 * BLOCK_BYTES }>(row).0[..n_pairs];
    let rows = [pairs(a), pairs(b), pairs(c), pairs(d)];
    let mut sums = [_mm256_setzero_si256(); ROWS];
    let mut start = 0;
    while start < n_pairs {
        let end = n_pairs.min(start + GROUP);
        let mut group = [_mm256_setzero_si256(); ROWS];
        for i in start..end {
            for part in 0..2 {
                load::prefetch_after(&a[0], AHEAD * a.len() + i * 128 + part * 64);
            }
            for r in 0..ROWS {
                group[r] = add_products(group[r], load::u8x32(&rows[r][i]), &planes[i]);
            }
        }
        for r in 0..ROWS {
            sums[r] = widen(sums[r], group[r]);
        }
        start = end;
    }
    if a.len() > n_pairs * 2 * BLOCK_BYTES {
        for (r, row) in [a, b, c, d].into_iter().enumerate() {
            let last = &row.as_chunks::<BLOCK_BYTES>().0[2 * n_pairs];
            let last = _mm256_zextsi128_si256(load::u8x16(last));
            sums[r] = widen(sums[r], add_products(_mm256_setzero_si256(), last, &planes[n_pairs]));
        }
    }
    sum::across4(sums)
}

/// `acc` plus `Σ code · x` over a pair of blocks, in int16.
#[inline]
#[target_feature(enable = "avx2")]
fn add_products(acc: __m256i, w: __m256i, x: &Planes) -> __m256i {
    let w = _mm256_xor_si256(w, _mm256_set1_epi8(FLIP_TOP));
    let product = |w, x| _mm256_maddubs_epi16(_mm256_and_si256(w, _mm256_set1_epi8(0x03)), x);
    let lower = _mm256_add_epi16(product(w, x[0]), product(_mm256_srli_epi16::<2>(w), x[1]));
    let upper =
        _mm256_add_epi16(product(_mm256_srli_epi16::<4>(w), x[2]), product(_mm256_srli_epi16::<6>(w), x[3]));
    _mm256_add_epi16(acc, _mm256_add_epi16(lower, upper))
}

/// `sum` plus the pairs of `acc`, in int32.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(sum: __m256i, acc: __m256i) -> __m256i {
    _mm256_add_epi32(sum, _mm256_madd_epi16(acc, _mm256_set1_epi16(1)))
}
