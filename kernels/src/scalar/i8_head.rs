//! The int8 head, one product at a time.

pub(super) fn gemv_i16_i8(
    w: &[i8],
    row_scale: &[f32],
    n: usize,
    k: usize,
    x_high: &[i8],
    x_low: &[i8],
    x_scale: f32,
    out: &mut [f32],
) {
    for j in 0..n {
        let mut sum = 0;
        for i in 0..k {
            let x = 256 * i64::from(x_high[i]) + i64::from(x_low[i]);
            sum += i64::from(w[j * k + i]) * x;
        }
        out[j] = sum as f32 * (row_scale[j] * x_scale);
    }
}
