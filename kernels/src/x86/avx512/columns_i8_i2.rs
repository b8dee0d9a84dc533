//! Column-major i2: the sparse GEMV, and the GEMM over listed columns.
//!
//! Four columns are zipped byte by byte, so that an int32 lane holds one output's weights of all four and `VPDPBUSD`
//! multiplies them with the four activations. In the GEMV planes stay where they stand, each output having a sum of its
//! own, and are shifted down when [`TOGETHER`] columns are added: so a column is read in whole lines, and the caller's
//! sums are touched once for all of these. Lines of the columns after them are asked for meanwhile.
//!
//! With several tokens columns are tiles of [`winograd`](super::winograd); activations are gathered unless they lie
//! together.

use core::arch::x86_64::{
    __m512i, _mm_set_epi64x, _mm512_add_epi32, _mm512_or_si512, _mm512_permutexvar_epi8, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_sra_epi32, _mm512_sub_epi32, _mm512_test_epi8_mask, _mm512_unpackhi_epi8,
    _mm512_unpackhi_epi16, _mm512_unpacklo_epi8, _mm512_unpacklo_epi16,
};
use core::ops::Range;

use super::gemm_i8_i2::{fourth_codes_in, planes};
use super::gemv_i8_i2::{codes, multiply_add};
use super::load;
use super::transpose::transpose4;
use super::winograd::{Activations, GROUP, GROUPS, MAX_TOKENS, ROWS, STRIP, Strip, Tile, multiply};
use crate::layout::i2::{BLOCK, BLOCK_BYTES, k_padded, row_bytes};

/// Columns whose sums stay in registers while 256 outputs are added up: 32 lines, 16 sums, 8 registers of activations.
const TOGETHER: usize = 32;
/// Columns that are zipped.
const ZIPPED: usize = 4;
/// Bytes of a step: one register of each column, 256 outputs.
const STEP_BYTES: usize = 64;

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
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
    if outputs.is_empty() {
        return;
    }
    let column = |j: u32| j as usize * row_bytes(n) + outputs.start / 4;
    if m == 1 {
        return gemv_columns(w, columns, column, x, acc);
    }
    let (x_len, len) = (k_padded(k), outputs.len());
    let mut gathered = [[0; STRIP]; MAX_TOKENS];
    let mut starts = [0; STRIP];
    let mut activations = Activations::NONE;
    let mut tile = Tile::new();
    for (x, acc) in x.chunks(MAX_TOKENS * x_len).zip(acc.chunks_mut(MAX_TOKENS * len)) {
        let n_tokens = acc.len() / len;
        let mut later = columns.chunks(STRIP).skip(1);
        for columns in columns.chunks(STRIP) {
            let mut next = later.next().unwrap_or(&[]).chunks(STRIP.div_ceil(len.div_ceil(ROWS)));
            for (start, j) in starts.iter_mut().zip(columns) {
                *start = column(*j);
            }
            // Up to whole blocks, the first column again times zero.
            let strip_len = columns.len().next_multiple_of(BLOCK);
            starts[columns.len()..strip_len].fill(column(columns[0]));
            let first = columns[0] as usize;
            let is_run = columns.iter().enumerate().all(|(i, j)| *j as usize == first + i);
            let strip = if is_run && columns.len() == strip_len {
                Strip { x: &x[first..], stride: x_len, len: strip_len, n_tokens }
            } else {
                for (x, gathered) in x.chunks_exact(x_len).zip(&mut gathered) {
                    gathered[columns.len()..].fill(0);
                    for (out, j) in gathered.iter_mut().zip(columns) {
                        *out = x[*j as usize];
                    }
                }
                Strip { x: gathered.as_flattened(), stride: STRIP, len: strip_len, n_tokens }
            };
            activations.prepare(strip);
            for first in (0..len).step_by(ROWS) {
                decode(w, &starts[..strip_len], first / 4, &mut tile);
                // The next strip's columns are asked for in parts, while tiles of this one are multiplied.
                for j in next.next().unwrap_or(&[]) {
                    for line in (0..len / 4).step_by(64) {
                        load::prefetch_after(&w[0], column(*j) + line);
                    }
                }
                if len - first >= ROWS {
                    multiply::<GROUPS>(&tile, strip, &activations, &mut acc[first..], len);
                } else {
                    add_part(&tile, strip, &activations, &mut acc[first..], len, len - first);
                }
            }
        }
    }
}

/// The last outputs, fewer than a tile's rows.
#[cold]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add_part(
    tile: &Tile,
    strip: Strip<'_>,
    activations: &Activations,
    acc: &mut [i32],
    stride: usize,
    len: usize,
) {
    let mut sums = [[0; ROWS]; MAX_TOKENS];
    multiply::<GROUPS>(tile, strip, activations, sums.as_flattened_mut(), ROWS);
    for (acc, sums) in acc.chunks_mut(stride).zip(&sums[..strip.n_tokens]) {
        for (acc, sum) in acc[..len].iter_mut().zip(sums) {
            *acc = acc.wrapping_add(*sum);
        }
    }
}

/// The block of 64 outputs at byte `at` of the columns that start at `starts`, a multiple of 64 of them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vbmi")]
fn decode(w: &[u8], starts: &[usize], at: usize, tile: &mut Tile) {
    let mut fourth_codes = _mm512_setzero_si512();
    let mut sums = [_mm512_setzero_si512(); GROUPS];
    let mut quad = |starts: &[usize]| {
        let block = |i: usize| {
            let bytes = &w[starts[i] + at..];
            bytes.first_chunk::<BLOCK_BYTES>().expect("a block of every column")
        };
        let columns = load::x16_of_4([block(0), block(1), block(2), block(3)]);
        fourth_codes = _mm512_or_si512(fourth_codes, fourth_codes_in(columns));
        zip_blocks(columns)
    };
    // Each sixteen columns pair with the sixteen after them.
    for (c, starts) in starts.as_chunks::<32>().0.iter().enumerate() {
        for s in 0..4 {
            let trits = planes(quad(&starts[4 * s..]), 0);
            let plus_128 = planes(quad(&starts[16 + 4 * s..]), i8::MIN);
            for g in 0..GROUPS {
                tile.put(4 * c + s, g, trits[g], plus_128[g], &mut sums[g]);
            }
        }
    }
    tile.finish(sums, _mm512_test_epi8_mask(fourth_codes, fourth_codes) == 0);
}

/// Byte `j` of each quarter into lane `j`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn zip_blocks(quarters: __m512i) -> __m512i {
    const ORDER: [u8; 64] = {
        let mut order = [0; 64];
        let mut i = 0u8;
        while i < 64 {
            order[i as usize] = i % 4 * 16 + i / 4;
            i += 1;
        }
        order
    };
    _mm512_permutexvar_epi8(load::u8x64(&ORDER), quarters)
}

/// `acc += Σ x[j] · column j`, with `column` giving where the outputs begin.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn gemv_columns(w: &[u8], columns: &[u32], column: impl Fn(u32) -> usize, x: &[i8], acc: &mut [i32]) {
    let bytes = acc.len().div_ceil(BLOCK) * BLOCK_BYTES;
    for (i, group) in columns.chunks(TOGETHER).enumerate() {
        let mut starts = [column(group[0]); TOGETHER];
        let mut next = starts;
        let mut values = [0; TOGETHER];
        for (c, j) in group.iter().enumerate() {
            starts[c] = column(*j);
            values[c] = x[*j as usize];
        }
        for (next, j) in next.iter_mut().zip(columns.iter().skip((i + 1) * TOGETHER)) {
            *next = column(*j);
        }
        let n_quads = group.len().div_ceil(ZIPPED);
        let total: i32 = values.iter().map(|x| i32::from(*x)).sum();
        for at in (0..bytes).step_by(STEP_BYTES) {
            let len = STEP_BYTES.min(bytes - at);
            let mut sums = [[_mm512_setzero_si512(); 4]; 4];
            let quads = values.as_chunks::<ZIPPED>().0.iter().zip(starts.as_chunks::<ZIPPED>().0);
            for (q, (x, starts)) in quads.take(n_quads).enumerate() {
                let bytes = |c: usize| load::u8_up_to_64(&w[starts[c] + at..][..len]);
                let zipped = zip([bytes(0), bytes(1), bytes(2), bytes(3)]);
                let x = load::i8x4_everywhere(x);
                for (sums, zipped) in sums.iter_mut().zip(zipped) {
                    *sums = multiply_add(*sums, codes(zipped), &[x; 4]);
                }
                for next in &next[q * ZIPPED..][..ZIPPED] {
                    load::prefetch_after(&w[0], next + at);
                }
            }
            let first = at / BLOCK_BYTES * BLOCK;
            add_to(&mut acc[first..], sums, total);
        }
    }
}

/// Byte `4 i + j` of every quarter of the four into lane `j` of that quarter of register `i`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn zip([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
    [
        _mm512_unpacklo_epi16(ab_low, cd_low),
        _mm512_unpackhi_epi16(ab_low, cd_low),
        _mm512_unpacklo_epi16(ab_high, cd_high),
        _mm512_unpackhi_epi16(ab_high, cd_high),
    ]
}

/// Adds the sums of up to four blocks, `[register][plane]`, to their outputs; `total` is `Σ x`.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_to(acc: &mut [i32], sums: [[__m512i; 4]; 4], total: i32) {
    for plane in 0..4 {
        let [a, b, c, d] = sums;
        let of_blocks = transpose4([a[plane], b[plane], c[plane], d[plane]]);
        let shift = _mm_set_epi64x(0, [0, 2, 4, 6][plane]);
        // The codes are one too large, in the top plane two.
        let offset = _mm512_set1_epi32(if plane == 3 { 2 * total } else { total });
        for (block, sums) in of_blocks.into_iter().enumerate() {
            let first = block * BLOCK + plane * GROUP;
            if first >= acc.len() {
                break;
            }
            let end = acc.len().min(first + GROUP);
            let acc = &mut acc[first..end];
            let sum = _mm512_sub_epi32(_mm512_sra_epi32(sums, shift), offset);
            load::store_i32_up_to_16(acc, _mm512_add_epi32(load::i32_up_to_16(acc), sum));
        }
    }
}
