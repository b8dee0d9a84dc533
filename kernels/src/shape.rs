//! The shape checks that stand before every kernel call.
//!
//! A failed check is a bug in the caller, so it panics with the numbers. Kernels rely on these facts in their SAFETY
//! comments and nowhere check again.

use core::ops::Range;

use crate::layout::{TernaryLayout, i2, i8_split};

/// Largest `k` of an integer kernel: 65536 * 128 * 127 < 2^31, so an int32 sum of int8 products never overflows,
/// whatever the bytes are and in whatever order they are added.
pub(crate) const MAX_K: usize = 65536;

const _: () = assert!(MAX_K as u64 * 128 * 127 < 1 << 31);

/// Alignment of packed weights and of their activations, in bytes: one vector register.
const ALIGN: usize = 16;

/// `w` is `[n, k]` in `layout`, `x` is `[m, k_padded]`, `out` is `[n, m]`.
#[track_caller]
pub(crate) fn ternary_product(
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    m: usize,
    x: &[i8],
    out: &[i32],
) {
    ternary_operands(layout, w, n, k, m, x);
    equal("out", out.len(), product(n, m));
}

/// `w` is `[n, k]` in `layout`, `x` is `[k_padded]`, `out` is one sum for each of `rows`.
#[track_caller]
pub(crate) fn ternary_rows(
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    rows: &[u32],
    x: &[i8],
    out: &[i32],
) {
    assert!(
        layout.tile_rows() == 1,
        "{layout} has no rows of its own: it stores {} together",
        layout.tile_rows()
    );
    ternary_operands(layout, w, n, k, 1, x);
    equal("out", out.len(), rows.len());
    in_range("row", rows, n);
}

/// `w` is `k` columns of `n` in `layout`, `x` is `[m, k_padded]`, `acc` is `[m, outputs]`.
#[track_caller]
pub(crate) fn ternary_columns(
    layout: TernaryLayout,
    w: &[u8],
    n: usize,
    k: usize,
    outputs: &Range<usize>,
    columns: &[u32],
    m: usize,
    x: &[i8],
    acc: &[i32],
) {
    assert!(
        layout.tile_rows() == 1,
        "{layout} has no columns of its own: it stores {} together",
        layout.tile_rows()
    );
    assert!(n <= MAX_K, "n = {n} is over {MAX_K}");
    assert!(k <= MAX_K, "k = {k} is over {MAX_K}");
    weights(layout, w, k, n);
    activations(k, m, x);
    let Range { start, end } = *outputs;
    assert!(start <= end && end <= n, "outputs {start}..{end} do not lie in 0..{n}");
    let is_cut = |at: usize| at == n || at.is_multiple_of(layout.block());
    assert!(
        is_cut(start) && is_cut(end),
        "outputs {start}..{end} of {n} are not cut at multiples of {}",
        layout.block()
    );
    equal("acc", acc.len(), product(m, end - start));
    in_range("column", columns, k);
}

/// Weights `[n, k]` and activations `[m, k_padded]`.
#[track_caller]
fn ternary_operands(layout: TernaryLayout, w: &[u8], n: usize, k: usize, m: usize, x: &[i8]) {
    assert!(k <= MAX_K, "k = {k} is over {MAX_K}");
    weights(layout, w, n, k);
    activations(k, m, x);
}

#[track_caller]
fn weights(layout: TernaryLayout, w: &[u8], n: usize, k: usize) {
    let rows = n.checked_next_multiple_of(layout.tile_rows()).expect("a shape that fits in memory");
    equal("bytes of w", w.len(), product(rows, layout.row_bytes(k)));
    assert!(w.as_ptr().addr().is_multiple_of(ALIGN), "ternary weights start at a multiple of {ALIGN} bytes");
}

#[track_caller]
fn activations(k: usize, m: usize, x: &[i8]) {
    equal("x", x.len(), product(m, i2::k_padded(k)));
    assert!(
        x.as_ptr().addr().is_multiple_of(ALIGN),
        "ternary activations start at a multiple of {ALIGN} bytes"
    );
}

/// Every index is one of `0..len`.
#[track_caller]
fn in_range(what: &str, indices: &[u32], len: usize) {
    if let Some(most) = indices.iter().copied().max() {
        assert!((most as usize) < len, "{what} {most} is not below {len}");
    }
}

/// `w` is `[n, k]` int8, `row_scale` and `out` are `[n]`, both planes of x are `[k]`.
#[track_caller]
pub(crate) fn i8_head(w: &[i8], row_scale: &[f32], n: usize, k: usize, high: &[i8], low: &[i8], out: &[f32]) {
    assert!(k <= MAX_K, "k = {k} is over {MAX_K}");
    equal("w", w.len(), product(n, k));
    equal("row_scale", row_scale.len(), n);
    equal("x_high", high.len(), k);
    equal("x_low", low.len(), k);
    equal("out", out.len(), n);
}

/// `w` is `[n, k]` in the high plane of `i8_split`, both planes of x are `[k_padded]`, `out` is `[n]`.
#[track_caller]
pub(crate) fn split_high(w: &[u8], n: usize, k: usize, high: &[i8], low: &[i8], out: &[i64]) {
    split(w, n, k, i8_split::high_row_bytes(k), high, low, out);
}

/// `w` is `[n, k]` in the low plane of `i8_split`, both planes of x are `[k_padded]`, `out` is `[n]`.
#[track_caller]
pub(crate) fn split_low(w: &[u8], n: usize, k: usize, high: &[i8], low: &[i8], out: &[i64]) {
    split(w, n, k, i8_split::low_row_bytes(k), high, low, out);
}

#[track_caller]
fn split(w: &[u8], n: usize, k: usize, row_bytes: usize, high: &[i8], low: &[i8], out: &[i64]) {
    assert!(k <= MAX_K, "k = {k} is over {MAX_K}");
    equal("bytes of w", w.len(), product(n, row_bytes));
    equal("x_high", high.len(), i8_split::k_padded(k));
    equal("x_low", low.len(), i8_split::k_padded(k));
    equal("out", out.len(), n);
    let starts = [w.as_ptr().addr(), high.as_ptr().addr(), low.as_ptr().addr()];
    assert!(
        starts.iter().all(|start| start.is_multiple_of(ALIGN)),
        "planes start at a multiple of {ALIGN} bytes"
    );
}

/// `w` holds `n` rows of `k` elements, `stride` apart; the vectors on its two sides are `[n]` and `[k]`.
#[track_caller]
pub(crate) fn strided<T>(w: &[T], n: usize, k: usize, stride: usize, of_n: &[f32], of_k: &[f32]) {
    rows("w", w.len(), n, k, stride);
    equal("the vector of n", of_n.len(), n);
    equal("the vector of k", of_k.len(), k);
}

/// [`strided`] for `m` vectors: `x` is `[m, k]`, `out` holds `m` rows of `n` elements, `out_stride` apart.
#[track_caller]
pub(crate) fn strided_gemm<T>(
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    m: usize,
    x: &[f32],
    out: &[f32],
    out_stride: usize,
) {
    rows("w", w.len(), n, k, stride);
    equal("x", x.len(), product(m, k));
    rows("out", out.len(), m, n, out_stride);
}

/// `a` holds `m` rows of `n` elements, `a_stride` apart; `w` is as in [`strided`]; `out` is `[m, k]`.
#[track_caller]
pub(crate) fn strided_gevm<T>(
    a: &[f32],
    a_stride: usize,
    m: usize,
    w: &[T],
    n: usize,
    k: usize,
    stride: usize,
    out: &[f32],
) {
    rows("a", a.len(), m, n, a_stride);
    rows("w", w.len(), n, k, stride);
    equal("out", out.len(), product(m, k));
}

/// `len` elements hold `n` rows of `k`, `stride` apart.
#[track_caller]
fn rows(what: &str, len: usize, n: usize, k: usize, stride: usize) {
    assert!(stride >= k, "stride {stride} of {what} is under {k}");
    if n > 0 {
        let need = product(n - 1, stride).checked_add(k).expect("a shape that fits in memory");
        assert!(len >= need, "{what} has {len} elements, {n} rows of {k} at stride {stride} need {need}");
    }
}

/// Two lengths that must agree.
#[track_caller]
pub(crate) fn equal(what: &str, found: usize, expected: usize) {
    assert!(found == expected, "length of {what} is {found}, expected {expected}");
}

#[track_caller]
fn product(a: usize, b: usize) -> usize {
    a.checked_mul(b).expect("a shape that fits in memory")
}
