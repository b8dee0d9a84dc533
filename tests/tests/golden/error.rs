//! Distances between logits and the reference's

use ternlet_runtime::argmax;

/// The largest absolute difference; a difference that is no number counts as infinite.
pub(crate) fn max_abs(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len(), "as many logits as the reference has");
    let difference = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs();
    let number_or_infinite = |d: f64| if d.is_nan() { f64::INFINITY } else { d };
    found.iter().zip(expected).map(difference).map(number_or_infinite).fold(0.0, f64::max)
}

/// Root of the mean squared difference.
#[expect(clippy::cast_precision_loss, reason = "a count of logits is far below 2^53")]
pub(crate) fn rms(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len(), "as many logits as the reference has");
    let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
    (found.iter().zip(expected).map(square).sum::<f64>() / found.len() as f64).sqrt()
}

/// [`rms`] as a part of the reference's own root mean square.
pub(crate) fn relative_rms(found: &[f32], expected: &[f32]) -> f64 {
    rms(found, expected) / rms(&vec![0.0; expected.len()], expected)
}

/// The part of the rows, `[_, vocab_size]`, whose largest logit is the reference's.
#[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^53")]
pub(crate) fn top_1(found: &[f32], expected: &[f32], vocab_size: usize) -> f64 {
    let rows = || found.chunks_exact(vocab_size).zip(expected.chunks_exact(vocab_size));
    rows().filter(|(a, b)| argmax(a) == argmax(b)).count() as f64 / rows().count() as f64
}
