//! The shape checks that stand before every kernel call.
//!
//! A failed check is a bug in the caller, so it panics with the numbers. Kernels rely on these facts in their SAFETY
//! comments and nowhere check again.

use crate::layout::{i2, i8_split};

/// Largest `k` of an integer kernel: 65536 * 128 * 127 < 2^31, so an int32 sum of int8 products never overflows,
/// whatever the bytes are and in whatever order they are added.
pub(crate) const MAX_K: usize = 65536;

const _: () = assert!(MAX_K as u64 * 128 * 127 < 1 << 31);

/// Alignment of packed weights and of their activations, in bytes: one vector register.
const ALIGN: usize = 16;

/// `w` is `[n, k]` in i2, `x` is `[m, k_padded]`, `out` is `[n, m]`.
#[track_caller]
pub(crate) fn i2_product(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &[i32]) {
    assert!(k <= MAX_K, "k = {k} is over {MAX_K}");
    equal("bytes of w", w.len(), product(n, i2::row_bytes(k)));
    equal("x", x.len(), product(m, i2::k_padded(k)));
    equal("out", out.len(), product(n, m));
    assert!(w.as_ptr().addr().is_multiple_of(ALIGN), "i2 weights start at a multiple of {ALIGN} bytes");
    assert!(x.as_ptr().addr().is_multiple_of(ALIGN), "i2 activations start at a multiple of {ALIGN} bytes");
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
    assert!(stride >= k, "stride {stride} is under k = {k}");
    if n > 0 {
        let need = product(n - 1, stride).checked_add(k).expect("w fits in memory");
        assert!(
            w.len() >= need,
            "w has {} elements, {n} rows of {k} at stride {stride} need {need}",
            w.len()
        );
    }
    equal("the vector of n", of_n.len(), n);
    equal("the vector of k", of_k.len(), k);
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
