//! Weighted sums of rows: a strip of columns stays in registers while a block of rows goes by.
//!
//! A block stays in L1 until every strip of every sum has passed over it, so memory is read once, front to back. Between
//! blocks the sums rest in `out`: each still takes its rows in ascending order.

use core::arch::aarch64::{float32x4_t, int8x16_t, uint16x8_t, vdupq_n_f32, vfmaq_n_f32};
use core::ops::Range;

use super::gemv_float::{f16_lanes, fma, i8_lanes};
use super::load::{Aligned, Load, Store, aligned, aligned_mut, prefetch};
use super::sum::Lanes;
use crate::ops::half::f16_to_f32;
use crate::ops::lanes::LANES;

/// Rows of a block. Strips cross rows, which prefetchers hardly take for a stream, so blocks are small: 2 KiB of 128
/// binary16, asked for one block ahead.
const BLOCK: usize = 8;

#[target_feature(enable = "neon")]
pub(super) fn gevm_f32_f32(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[f32],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
) {
    gevm::<f32, [float32x4_t; 4]>(a, a_stride, m, w, n, k, stride, out, |w| w, |w| w);
}

#[target_feature(enable = "neon")]
pub(super) fn gevm_f32_f16(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[u16],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
) {
    gevm::<u16, [uint16x8_t; 2]>(a, a_stride, m, w, n, k, stride, out, |w| f16_lanes(w), f16_to_f32);
}

#[target_feature(enable = "neon")]
pub(super) fn gevm_f32_i8(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[i8],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
) {
    gevm::<i8, int8x16_t>(a, a_stride, m, w, n, k, stride, out, |w| i8_lanes(w), f32::from);
}

/// `wide` turns the registers of sixteen weights into f32, `widen` one weight.
#[inline]
#[target_feature(enable = "neon")]
fn gevm<T: Copy, V>(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    out: &mut [f32],
    wide: impl Fn(V) -> Lanes,
    widen: impl Fn(T) -> f32,
) where
    [T; LANES]: Load<Vector = V>,
    Aligned<[T; LANES]>: Load<Vector = V>,
{
    out.fill(0.0);
    for first in (0..n).step_by(BLOCK) {
        let rows = first..n.min(first + BLOCK);
        // Sixteen accumulators, four vectors of a row and one weight fit 32 registers.
        let mut t = 0;
        while m - t >= 4 {
            block::<T, V, 4, 1>(a, a_stride, t, w, rows.clone(), k, stride, out, &wide, &widen);
            t += 4;
        }
        if m - t >= 2 {
            block::<T, V, 2, 2>(a, a_stride, t, w, rows.clone(), k, stride, out, &wide, &widen);
            t += 2;
        }
        if m > t {
            block::<T, V, 1, 4>(a, a_stride, t, w, rows, k, stride, out, &wide, &widen);
        }
    }
}

/// Sums `t` to `t + S`, strips of `C` chunks of sixteen columns.
#[inline]
#[target_feature(enable = "neon")]
fn block<T: Copy, V, const S: usize, const C: usize>(
    a: &[f32],
    a_stride: usize,
    t: usize,
    w: &[T],
    rows: Range<usize>,
    k: usize,
    stride: usize,
    out: &mut [f32],
    wide: impl Fn(V) -> Lanes,
    widen: impl Fn(T) -> f32,
) where
    [T; LANES]: Load<Vector = V>,
    Aligned<[T; LANES]>: Load<Vector = V>,
{
    let mut weights: [&[f32]; S] = [&[]; S];
    for s in 0..S {
        weights[s] = &a[(t + s) * a_stride..][rows.clone()];
    }
    let w = &w[rows.start * stride..];
    let out = &mut out[t * k..][..S * k];
    let ahead = BLOCK * stride * size_of::<T>();

    // Where rows are whole chunks apart all of them are aligned if the first is; so are the sums.
    let whole_strides = stride.is_multiple_of(LANES) && (S == 1 || k.is_multiple_of(4));
    let sums_aligned = aligned_mut(out.as_chunks_mut::<LANES>().0).is_some();
    match aligned(w.as_chunks::<LANES>().0) {
        Some(chunks) if whole_strides && sums_aligned => {
            let aligned_row = |j: usize, first: usize| &chunks[j * (stride / LANES) + first..];
            strips::<_, _, S, C>(weights, aligned_row, ahead, k, out, aligned_sums, &wide);
        }
        _ => {
            let row = |j: usize, first: usize| w[j * stride + first * LANES..].as_chunks::<LANES>().0;
            strips::<_, _, S, C>(weights, row, ahead, k, out, natural_sums, &wide);
        }
    }
    for c in k / LANES * LANES..k {
        for s in 0..S {
            for (j, a) in weights[s].iter().enumerate() {
                out[s * k + c] = fma(*a, widen(w[j * stride + c]), out[s * k + c]);
            }
        }
    }
}

/// Sums of which the first is aligned, each a whole stride from it.
#[inline(always)]
fn aligned_sums(out: &mut [[f32; LANES]]) -> &mut [Aligned<[f32; LANES]>] {
    aligned_mut(out).expect("a whole stride from aligned sums")
}

#[inline(always)]
fn natural_sums(out: &mut [[f32; LANES]]) -> &mut [[f32; LANES]] {
    out
}

/// Every whole chunk of sixteen columns: `row` gives those of a row from a chunk on, the next block lies `ahead` bytes on.
#[inline]
#[target_feature(enable = "neon")]
fn strips<'w, W: Load + 'w, O: Store, const S: usize, const C: usize>(
    weights: [&[f32]; S],
    row: impl Fn(usize, usize) -> &'w [W],
    ahead: usize,
    k: usize,
    out: &mut [f32],
    sums: impl Fn(&mut [[f32; LANES]]) -> &mut [O],
    wide: impl Fn(W::Vector) -> Lanes,
) {
    let n_chunks = k / LANES;
    let mut first = 0;
    while n_chunks - first >= C {
        strip::<_, _, S, C>(weights, &row, ahead, k, first, out, &sums, &wide);
        first += C;
    }
    while n_chunks > first {
        strip::<_, _, S, 1>(weights, &row, ahead, k, first, out, &sums, &wide);
        first += 1;
    }
}

/// `C` chunks of columns of `S` sums, from chunk `first` on.
#[inline]
#[target_feature(enable = "neon")]
fn strip<'w, W: Load + 'w, O: Store, const S: usize, const C: usize>(
    weights: [&[f32]; S],
    row: impl Fn(usize, usize) -> &'w [W],
    ahead: usize,
    k: usize,
    first: usize,
    out: &mut [f32],
    sums: impl Fn(&mut [[f32; LANES]]) -> &mut [O],
    wide: impl Fn(W::Vector) -> Lanes,
) {
    let n_rows = weights[0].len();
    let weights = weights.map(|weights| &weights[..n_rows]);
    let mut lanes = [[[vdupq_n_f32(0.0); 4]; C]; S];
    for s in 0..S {
        let own = sums(out[s * k + first * LANES..][..C * LANES].as_chunks_mut().0);
        for c in 0..C {
            lanes[s][c] = own[c].load();
        }
    }
    for j in 0..n_rows {
        let chunks = &row(j, first)[..C];
        prefetch(chunks.as_ptr().cast::<u8>().wrapping_add(ahead));
        for c in 0..C {
            let w = wide(chunks[c].load());
            for s in 0..S {
                for quad in 0..4 {
                    lanes[s][c][quad] = vfmaq_n_f32(lanes[s][c][quad], w[quad], weights[s][j]);
                }
            }
        }
    }
    for s in 0..S {
        let own = sums(out[s * k + first * LANES..][..C * LANES].as_chunks_mut().0);
        for c in 0..C {
            own[c].store(lanes[s][c]);
        }
    }
}
