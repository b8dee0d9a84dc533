//! tl1: an index becomes two unsigned codes, zipped so that `VPMADDUBSW` sums a pair of columns for each row.
//!
//! Lanes are the tile's 32 rows; activations are broadcast. A table of sums, for which the layout is made, serves a
//! core without such a multiplication; here the pair's products cost no more than its look-up.

use core::arch::x86_64::{
    __m256i, _mm_srli_epi16, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128,
    _mm256_cvtepi16_epi32, _mm256_extracti128_si256, _mm256_maddubs_epi16, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_unpackhi_epi8,
    _mm256_unpacklo_epi8,
};

use super::load;
use crate::layout::i2::k_padded;
use crate::layout::tl1::{PAIR_BYTES, TILE_ROWS, WEIGHTS, tile_bytes};

/// Tokens that share a decoded pair: 2 × 4 int16 sums.
const TOKENS: usize = 4;
/// Pairs of columns summed in int16: at most `2 · 2 · 128` each.
const GROUP: usize = 60;
const _: () = assert!(GROUP * (2 * 2 * 128) < 1 << 15);

/// The first and the second weight of an index, plus one.
static CODES: [[u8; 16]; 2] = {
    let mut codes = [[0; 16]; 2];
    let mut i = 0;
    while i < 32 {
        codes[i / 16][i % 16] = (WEIGHTS[i % 16][i / 16] + 1).cast_unsigned();
        i += 1;
    }
    codes
};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_i8_tl1(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    gemm_i8_tl1(w, n, k, 1, x, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemm_i8_tl1(w: &[u8], _n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    let k_padded = k_padded(k);
    if out.is_empty() || k_padded == 0 {
        return out.fill(0);
    }
    for (tile, out) in w.chunks_exact(tile_bytes(k)).zip(out.chunks_mut(TILE_ROWS * m)) {
        let (pairs, _) = tile.as_chunks::<PAIR_BYTES>();
        let token = |t: usize| x[t * k_padded..][..2 * pairs.len()].as_chunks::<2>().0;
        let mut t = 0;
        while t + TOKENS <= m {
            multiply(pairs, [token(t), token(t + 1), token(t + 2), token(t + 3)], m, t, out);
            t += TOKENS;
        }
        while t < m {
            multiply(pairs, [token(t)], m, t, out);
            t += 1;
        }
    }
}

/// A tile times `T` tokens, into `out[.., t..t + T]`.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply<const T: usize>(
    pairs: &[[u8; PAIR_BYTES]],
    mut x: [&[[i8; 2]]; T],
    m: usize,
    t: usize,
    out: &mut [i32],
) {
    let mut sums = [[_mm256_setzero_si256(); 4]; T];
    for x in &mut x {
        *x = &x[..pairs.len()];
    }
    let mut start = 0;
    while start < pairs.len() {
        let end = pairs.len().min(start + GROUP);
        let mut group = [[_mm256_setzero_si256(); 2]; T];
        for i in start..end {
            load::prefetch_far(&pairs[i], 8192);
            let [low, high] = codes(&pairs[i]);
            for t in 0..T {
                let x = _mm256_set1_epi16(i16::from_le_bytes(x[t][i].map(i8::cast_unsigned)));
                group[t][0] = _mm256_add_epi16(group[t][0], _mm256_maddubs_epi16(low, x));
                group[t][1] = _mm256_add_epi16(group[t][1], _mm256_maddubs_epi16(high, x));
            }
        }
        for t in 0..T {
            let [low, high] = group[t];
            let eights = [
                _mm256_castsi256_si128(low),
                _mm256_castsi256_si128(high),
                _mm256_extracti128_si256::<1>(low),
                _mm256_extracti128_si256::<1>(high),
            ];
            for (sum, eight) in sums[t].iter_mut().zip(eights) {
                *sum = _mm256_add_epi32(*sum, _mm256_cvtepi16_epi32(eight));
            }
        }
        start = end;
    }
    for i in 0..T {
        let offset: i32 = x[i].iter().flatten().map(|x| i32::from(*x)).sum();
        let mut rows = [0; TILE_ROWS];
        for (rows, sum) in rows.as_chunks_mut().0.iter_mut().zip(sums[i]) {
            load::store_i32x8(rows, sum);
        }
        for (out, sum) in out.chunks_exact_mut(m).zip(rows) {
            out[t + i] = sum - offset;
        }
    }
}

/// The codes of a pair of columns, zipped: rows 0 to 7 and 16 to 23, rows 8 to 15 and 24 to 31.
#[inline]
#[target_feature(enable = "avx2")]
fn codes(pair: &[u8; PAIR_BYTES]) -> [__m256i; 2] {
    let bytes = load::u8x16(pair);
    let indices = _mm256_set_m128i(_mm_srli_epi16::<4>(bytes), bytes);
    let indices = _mm256_and_si256(indices, _mm256_set1_epi8(0x0f));
    let first = _mm256_shuffle_epi8(load::u8x16_twice(&CODES[0]), indices);
    let second = _mm256_shuffle_epi8(load::u8x16_twice(&CODES[1]), indices);
    [_mm256_unpacklo_epi8(first, second), _mm256_unpackhi_epi8(first, second)]
}
