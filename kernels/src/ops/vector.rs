//! The transformer's vector arithmetic: rescale, norm scaling, residual, rotary embedding.

#[inline(always)]
pub(crate) fn rescale(acc: &[i32], scale: f32, out: &mut [f32]) {
    for (out, acc) in out.iter_mut().zip(acc) {
        *out = *acc as f32 * scale;
    }
}

#[inline(always)]
pub(crate) fn scale_mul(x: &[f32], s: f32, w: &[f32], out: &mut [f32]) {
    for ((out, x), w) in out.iter_mut().zip(x).zip(w) {
        *out = w * (x * s);
    }
}

#[inline(always)]
pub(crate) fn add_assign(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

#[inline(always)]
pub(crate) fn mul_assign(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x *= y;
    }
}

#[inline(always)]
pub(crate) fn rope(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (first, second) = head.split_at_mut(cos.len());
    rotate(first, second, cos, sin);
}

/// Rotates the pairs `(first[i], second[i])`.
#[inline(always)]
pub(crate) fn rotate(first: &mut [f32], second: &mut [f32], cos: &[f32], sin: &[f32]) {
    for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}
