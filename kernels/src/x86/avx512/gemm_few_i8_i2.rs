//! Ternary GEMM for few tokens: the GEMV's loop, up to four tokens to a load and a set of masks.
//!
//! With few tokens a tile's decoding costs more than Winograd's products save. Here nothing is decoded: a register of
//! four blocks is masked once and multiplied with the planes of each token, 16 `VPDPBUSD` for 1024 products.

use core::arch::x86_64::{__m512i, _mm512_add_epi32, _mm512_setzero_si512, _mm512_srai_epi32};

use super::gemv_i8_i2::{Planes, STEP, STEP_BYTES, arrange, codes, multiply_add};
use super::rows::AHEAD;
use super::{load, sum};
use crate::layout::i2::{k_padded, row_bytes};

/// Tokens of a pass over the rows: 16 sums in registers.
const TOKENS: usize = 4;
/// Steps of a strip: 7168 elements of four tokens, 28 KiB of stack.
const STRIP: usize = 28;

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn gemm_few(w: &[u8], k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    let mut t = 0;
    while t + TOKENS <= m {
        tokens::<TOKENS>(w, k, m, x, t, out);
        t += TOKENS;
    }
    match m - t {
        3 => tokens::<3>(w, k, m, x, t, out),
        2 => tokens::<2>(w, k, m, x, t, out),
        1 => tokens::<1>(w, k, m, x, t, out),
        _ => {}
    }
}

/// `out[.., t..t + T]`.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
fn tokens<const T: usize>(w: &[u8], k: usize, m: usize, x: &[i8], t: usize, out: &mut [i32]) {
    let (row_bytes, k_padded) = (row_bytes(k), k_padded(k));
    for row in out.chunks_exact_mut(m) {
        row[t..t + T].fill(0);
    }
    let mut arranged = [[[_mm512_setzero_si512(); 4]; STRIP]; T];
    for first in (0..k_padded).step_by(STRIP * STEP) {
        let len = (STRIP * STEP).min(k_padded - first);
        let mut planes: [&[Planes]; T] = [&[]; T];
        let mut offsets = [0; T];
        for (i, arranged) in arranged.iter_mut().enumerate() {
            let arranged = &mut arranged[..len.div_ceil(STEP)];
            offsets[i] = arrange(&x[(t + i) * k_padded + first..][..len], arranged);
            planes[i] = arranged;
        }
        for (row, out) in w.chunks_exact(row_bytes).zip(out.chunks_exact_mut(m)) {
            let lanes = dot(&row[first / 4..][..len / 4], planes);
            let mut four = [_mm512_setzero_si512(); TOKENS];
            four[..T].copy_from_slice(&lanes);
            let sums = sum::across4(four).into_iter().zip(offsets);
            for (out, (sum, offset)) in out[t..t + T].iter_mut().zip(sums) {
                *out += sum - offset;
            }
        }
    }
}

/// The lanes of `Σ code · x` of a row over one strip, for each token.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dot<const T: usize>(row: &[u8], mut planes: [&[Planes]; T]) -> [__m512i; T] {
    let n_steps = row.len().div_ceil(STEP_BYTES);
    for planes in &mut planes {
        *planes = &planes[..n_steps];
    }
    let (steps, tail) = row.as_chunks::<STEP_BYTES>();
    let mut sums = [[_mm512_setzero_si512(); 4]; T];
    for (s, w) in steps.iter().enumerate() {
        load::prefetch_after(w, AHEAD);
        let codes = codes(load::u8x64(w));
        for i in 0..T {
            sums[i] = multiply_add(sums[i], codes, &planes[i][s]);
        }
    }
    if !tail.is_empty() {
        let codes = codes(load::u8_up_to_64(tail));
        for i in 0..T {
            sums[i] = multiply_add(sums[i], codes, &planes[i][n_steps - 1]);
        }
    }
    sums.map(|[a, b, c, d]| {
        let lower = _mm512_add_epi32(a, _mm512_srai_epi32::<2>(b));
        _mm512_add_epi32(lower, _mm512_add_epi32(_mm512_srai_epi32::<4>(c), _mm512_srai_epi32::<6>(d)))
    })
}
