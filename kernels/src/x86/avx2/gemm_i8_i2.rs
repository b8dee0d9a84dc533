//! Ternary GEMM: decode four rows once, multiply with every token.
//!
//! A tile of four rows is decoded to unsigned codes (`trit + 1`, in the top plane `trit + 2`) that stay in L1; two rows
//! share a register, one in each half, so an activation vector is one broadcast load. What the codes have too much is
//! written to `out` first, negated: it depends on the token only.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_srli_epi16, _mm256_xor_si256,
};

use super::gemv_i8_i2::{FLIP_TOP, gemv_i8_i2, offset};
use super::load;
use crate::layout::i2::{BLOCK, BLOCK_BYTES, k_padded, row_bytes};

/// Rows of a tile: two registers of codes, each used for all tokens of a group.
const ROWS: usize = 4;
/// Tokens of a group: 2 × 4 int16 accumulators, 2 registers of codes, one of activations and one product: 12 of 16.
const TOKENS: usize = 4;
/// Blocks summed in int16 before widening: 4 planes × 10 product pairs of at most `2 · 3 · 128` stay under 2¹⁵.
const GROUP: usize = 10;
/// Blocks of a tile: 2560 weights of four rows are 10 KiB of codes, which leave room in a 32 KiB L1 for activations.
const TILE: usize = 4 * GROUP;

const _: () = assert!(GROUP * 4 * (2 * 3 * 128) < 1 << 15);

/// The codes of one block of four rows: per plane, rows 0 and 1 in the first register, 2 and 3 in the second.
type Codes = [[__m256i; 2]; 4];

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemm_i8_i2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    if m == 1 {
        return gemv_i8_i2(w, n, k, x, out);
    }
    if n == 0 || m == 0 {
        return;
    }
    let (w, _) = w.as_chunks::<BLOCK_BYTES>();
    let (x, _) = x.as_chunks::<BLOCK>();
    let n_blocks = row_bytes(k) / BLOCK_BYTES;
    debug_assert_eq!(x.len() * BLOCK, m * k_padded(k));
    subtract_offsets(x, n_blocks, m, out);

    let mut codes = [[[_mm256_setzero_si256(); 2]; 4]; TILE];
    for (tile, out) in out.chunks_mut(ROWS * m).enumerate() {
        for start in (0..n_blocks).step_by(TILE) {
            let end = n_blocks.min(start + TILE);
            // Past the last row, that row again: its sums are dropped.
            let row = |r: usize| &w[(tile * ROWS + r).min(n - 1) * n_blocks..][start..end];
            let codes = &mut codes[..end - start];
            decode([row(0), row(1), row(2), row(3)], codes);
            let token = |t: usize| &x[t * n_blocks..][start..end];
            let mut t = 0;
            while t + TOKENS <= m {
                let x = [token(t), token(t + 1), token(t + 2), token(t + 3)];
                add_sums(products::<TOKENS>(codes, x), m, t, out);
                t += TOKENS;
            }
            while t < m {
                add_sums(products::<1>(codes, [token(t)]), m, t, out);
                t += 1;
            }
        }
    }
}

/// Starts every row of `out` with what unsigned codes add to it, negated.
#[inline]
#[target_feature(enable = "avx2")]
fn subtract_offsets(x: &[[i8; BLOCK]], n_blocks: usize, m: usize, out: &mut [i32]) {
    let (first, rest) = out.split_at_mut(m);
    for (t, out) in first.iter_mut().enumerate() {
        *out = -offset(&x[t * n_blocks..][..n_blocks]);
    }
    for row in rest.chunks_exact_mut(m) {
        row.copy_from_slice(first);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn decode([a, b, c, d]: [&[[u8; BLOCK_BYTES]]; ROWS], codes: &mut [Codes]) {
    let flip_top = _mm256_set1_epi8(FLIP_TOP);
    let code = _mm256_set1_epi8(0x03);
    let (a, b, c, d) = (&a[..codes.len()], &b[..codes.len()], &c[..codes.len()], &d[..codes.len()]);
    for (i, codes) in codes.iter_mut().enumerate() {
        for (pair, (low, high)) in [(&a[i], &b[i]), (&c[i], &d[i])].into_iter().enumerate() {
            let bytes = _mm256_xor_si256(_mm256_set_m128i(load::u8x16(high), load::u8x16(low)), flip_top);
            codes[0][pair] = _mm256_and_si256(bytes, code);
            codes[1][pair] = _mm256_and_si256(_mm256_srli_epi16::<2>(bytes), code);
            codes[2][pair] = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), code);
            codes[3][pair] = _mm256_and_si256(_mm256_srli_epi16::<6>(bytes), code);
        }
    }
}

/// `Σ code · x` for the tile's rows and `T` tokens, in int32 lanes: `[token][pair of rows]`.
#[inline]
#[target_feature(enable = "avx2")]
fn products<const T: usize>(codes: &[Codes], mut x: [&[[i8; BLOCK]]; T]) -> [[__m256i; 2]; T] {
    for x in &mut x {
        *x = &x[..codes.len()];
    }
    let one = _mm256_set1_epi16(1);
    let mut sums = [[_mm256_setzero_si256(); 2]; T];
    let mut start = 0;
    while start < codes.len() {
        let end = codes.len().min(start + GROUP);
        let mut group = [[_mm256_setzero_si256(); 2]; T];
        for i in start..end {
            for plane in 0..4 {
                let [w0, w1] = codes[i][plane];
                for t in 0..T {
                    let x = load::i8x16_twice(&x[t][i].as_chunks::<BLOCK_BYTES>().0[plane]);
                    group[t][0] = _mm256_add_epi16(group[t][0], _mm256_maddubs_epi16(w0, x));
                    group[t][1] = _mm256_add_epi16(group[t][1], _mm256_maddubs_epi16(w1, x));
                }
            }
        }
        for t in 0..T {
            for pair in 0..2 {
                sums[t][pair] = _mm256_add_epi32(sums[t][pair], _mm256_madd_epi16(group[t][pair], one));
            }
        }
        start = end;
    }
    sums
}

/// Joins the lanes of every sum and adds them to `out[.., t..t + T]`; `out` holds up to four rows of `m`.
#[inline]
#[target_feature(enable = "avx2")]
fn add_sums<const T: usize>(sums: [[__m256i; 2]; T], m: usize, t: usize, out: &mut [i32]) {
    for (i, [ab, cd]) in sums.into_iter().enumerate() {
        let pairs = _mm256_hadd_epi32(ab, cd); // [a a c c | b b d d]
        let rows = _mm256_hadd_epi32(pairs, pairs); // [a c a c | b d b d]
        let [a, c, ..] = load::to_i32x4(_mm256_castsi256_si128(rows));
        let [b, d, ..] = load::to_i32x4(_mm256_extracti128_si256::<1>(rows));
        for (row, sum) in out.chunks_exact_mut(m).zip([a, b, c, d]) {
            row[t + i] += sum;
        }
    }
}
