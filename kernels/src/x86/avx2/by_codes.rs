//! Products of any row-contiguous layout by way of [`codes`](super::codes): decode a strip, multiply it.
//!
//! A strip of a row is decoded once for all tokens and multiplied with four at a time. Of a column-major matrix eight
//! columns are decoded and zipped, so that pairs of products are sums of one output.

use core::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi16_epi32,
    _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi16,
    _mm256_setzero_si256, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8,
};
use core::ops::Range;

use super::codes::{Codes, MAX_CODE, OFFSET, STRIP, of_i2, of_t5, of_tl2};
use super::{load, sum};
use crate::layout::TernaryLayout::{self, I2, T5, Tl2};
use crate::layout::i2::k_padded;

/// Elements of a register.
const STEP: usize = 32;
/// Tokens that share a loaded register of codes.
const TOKENS: usize = 4;
/// Steps summed in int16: pairs of products of at most `4 · 128` each.
const GROUP: usize = 30;
const _: () = assert!(GROUP * 2 * MAX_CODE as usize * 128 < 1 << 15);
/// Bytes ahead of the strip at hand that are asked for.
const AHEAD: usize = 8192;

/// Columns that are zipped: their products, and the offset taken off, stay in int16.
const ZIPPED: usize = 8;
const _: () = assert!(ZIPPED * (MAX_CODE + OFFSET) as usize * 128 < 1 << 15);

macro_rules! entries {
    ($layout:expr, $decode:expr, $gemm_columns:ident, $($gemv:ident, $gemm:ident, $gemv_rows:ident)?) => {
        $(#[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn $gemv(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
            $gemm(w, n, k, 1, x, out);
        }

        #[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn $gemm(w: &[u8], _n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
            gemm($layout, w, k, m, x, out, |j| j, |row, first, codes| $decode(row, k, first, codes));
        }

        #[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn $gemv_rows(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
            let row = |i: usize| rows[i] as usize;
            gemm($layout, w, k, 1, x, out, row, |row, first, codes| $decode(row, k, first, codes));
        })?

        #[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn $gemm_columns(
            w: &[u8],
            n: usize,
            k: usize,
            outputs: Range<usize>,
            columns: &[u32],
            _m: usize,
            x: &[i8],
            acc: &mut [i32],
        ) {
            let decode = |column: &[u8], first: usize, codes: &mut Codes| $decode(column, n, first, codes);
            gemm_columns($layout, w, n, k, outputs, columns, x, acc, decode);
        }
    };
}

entries!(I2, |row, _, first, codes| of_i2(row, first, codes), gemm_columns_i8_i2,);
entries!(Tl2, of_tl2, gemm_columns_i8_tl2, gemv_i8_tl2, gemm_i8_tl2, gemv_rows_i8_tl2);
entries!(
    T5,
    |row, _, first, codes| of_t5(row, first, codes),
    gemm_columns_i8_t5,
    gemv_i8_t5,
    gemm_i8_t5,
    gemv_rows_i8_t5
);

/// `out[i, t]` is row `row(i)` times token `t`; `decode(row, first, codes)` fills a strip.
#[inline]
#[target_feature(enable = "avx2")]
fn gemm(
    layout: TernaryLayout,
    w: &[u8],
    k: usize,
    m: usize,
    x: &[i8],
    out: &mut [i32],
    row: impl Fn(usize) -> usize,
    decode: impl Fn(&[u8], usize, &mut Codes),
) {
    let (row_bytes, k_padded) = (layout.row_bytes(k), k_padded(k));
    if out.is_empty() || k_padded == 0 {
        return out.fill(0);
    }
    subtract_offsets(x, k_padded, out, m);
    let mut codes = [0; STRIP];
    for (i, out) in out.chunks_exact_mut(m).enumerate() {
        let start = row(i) * row_bytes;
        for byte in (0..row_bytes).step_by(64) {
            load::prefetch_far(&w[0], start + byte + AHEAD);
        }
        for first in (0..k_padded).step_by(STRIP) {
            decode(&w[start..][..row_bytes], first, &mut codes);
            let len = STRIP.min(k_padded - first);
            let token = |t: usize| x[t * k_padded + first..][..len].as_chunks::<STEP>().0;
            let (codes, _) = codes[..len].as_chunks::<STEP>();
            let mut t = 0;
            while t + TOKENS <= m {
                let x = [token(t), token(t + 1), token(t + 2), token(t + 3)];
                let sums = sum::across4(dot(codes, x));
                for (out, sum) in out[t..].iter_mut().zip(sums) {
                    *out += sum;
                }
                t += TOKENS;
            }
            for t in t..m {
                let [sum] = dot(codes, [token(t)]);
                let zero = _mm256_setzero_si256();
                out[t] += sum::across4([sum, zero, zero, zero])[0];
            }
        }
    }
}

/// Starts every row of `out` with what the codes add to it, negated.
fn subtract_offsets(x: &[i8], k_padded: usize, out: &mut [i32], m: usize) {
    let (first, rest) = out.split_at_mut(m);
    for (x, out) in x.chunks_exact(k_padded).zip(first.iter_mut()) {
        *out = -i32::from(OFFSET) * x.iter().map(|x| i32::from(*x)).sum::<i32>();
    }
    for row in rest.chunks_exact_mut(m) {
        row.copy_from_slice(first);
    }
}

/// The int32 lanes of `Σ code · x` for `T` tokens.
#[inline]
#[target_feature(enable = "avx2")]
fn dot<const T: usize>(codes: &[[u8; STEP]], mut x: [&[[i8; STEP]]; T]) -> [__m256i; T] {
    for x in &mut x {
        *x = &x[..codes.len()];
    }
    let one = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_si256(); T];
    let mut start = 0;
    while start < codes.len() {
        let end = codes.len().min(start + GROUP);
        let mut group = [_mm256_setzero_si256(); T];
        for i in start..end {
            let codes = load::u8x32(&codes[i]);
            for t in 0..T {
                group[t] = _mm256_add_epi16(group[t], _mm256_maddubs_epi16(codes, load::i8x32(&x[t][i])));
            }
        }
        for t in 0..T {
            sums[t] = _mm256_add_epi32(sums[t], _mm256_madd_epi16(group[t], one));
        }
        start = end;
    }
    sums
}

/// `acc[t, o] += Σ x[t, j] · w[o, j]`; `decode(column, first, codes)` fills a strip of outputs.
#[inline]
#[target_feature(enable = "avx2")]
fn gemm_columns(
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    outputs: Range<usize>,
    columns: &[u32],
    x: &[i8],
    acc: &mut [i32],
    decode: impl Fn(&[u8], usize, &mut Codes),
) {
    let column_bytes = layout.row_bytes(n);
    let mut codes = [[0; STRIP]; ZIPPED];
    if outputs.is_empty() {
        return;
    }
    for columns in columns.chunks(ZIPPED) {
        for first in outputs.clone().step_by(STRIP) {
            for (codes, j) in codes.iter_mut().zip(columns) {
                decode(&w[*j as usize * column_bytes..][..column_bytes], first, codes);
            }
            let from = first - outputs.start;
            for (x, acc) in x.chunks_exact(k_padded(k)).zip(acc.chunks_exact_mut(outputs.len())) {
                // Past the last column, zero times what the strip held before.
                let mut values = [0; ZIPPED];
                for (value, j) in values.iter_mut().zip(columns) {
                    *value = x[*j as usize];
                }
                let end = acc.len().min(from + STRIP);
                add_columns(&codes, values, &mut acc[from..end]);
            }
        }
    }
}

/// `acc[o] += Σ x[c] · w[c][o]` for up to a strip of outputs.
#[inline]
#[target_feature(enable = "avx2")]
fn add_columns(codes: &[Codes; ZIPPED], x: [i8; ZIPPED], acc: &mut [i32]) {
    let total: i16 = x.iter().map(|x| i16::from(*x)).sum();
    let offset = _mm256_set1_epi16(-i16::from(OFFSET) * total);
    let pairs = x.as_chunks::<2>().0;
    for (i, acc) in acc.chunks_mut(STEP).enumerate() {
        let (mut low, mut high) = (offset, offset);
        for (pair, x) in codes.as_chunks::<2>().0.iter().zip(pairs) {
            let [a, b] = pair;
            let a = load::u8x32(&a.as_chunks().0[i]);
            let b = load::u8x32(&b.as_chunks().0[i]);
            let x = _mm256_set1_epi16(i16::from_le_bytes(x.map(i8::cast_unsigned)));
            low = _mm256_add_epi16(low, _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), x));
            high = _mm256_add_epi16(high, _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), x));
        }
        // Outputs 0 to 7 and 16 to 23, 8 to 15 and 24 to 31.
        let eights: [__m128i; 4] = [
            _mm256_castsi256_si128(low),
            _mm256_castsi256_si128(high),
            _mm256_extracti128_si256::<1>(low),
            _mm256_extracti128_si256::<1>(high),
        ];
        for (acc, sums) in acc.chunks_mut(8).zip(eights) {
            let sums = _mm256_cvtepi16_epi32(sums);
            if let Some(acc) = acc.first_chunk_mut() {
                load::store_i32x8(acc, _mm256_add_epi32(load::i32x8(acc), sums));
            } else {
                let mut few = [0; 8];
                load::store_i32x8(&mut few, sums);
                for (acc, sum) in acc.iter_mut().zip(few) {
                    *acc = acc.wrapping_add(sum);
                }
            }
        }
    }
}
