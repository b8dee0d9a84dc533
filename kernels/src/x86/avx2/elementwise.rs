//! The shared operations of `ops`, compiled with AVX2 so that they vectorise eight wide.

use crate::ops::{activation, quantise, softmax, vector};

/// One `#[target_feature]` function per operation, around the inlined portable one.
macro_rules! with_avx2 {
    ($($module:ident::$name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        $(#[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn $name($($arg: $type),*) $(-> $result)? {
            $module::$name($($arg),*)
        })*
    };
}

with_avx2! {
    softmax::softmax(x: &mut [f32]);
    quantise::quantise_i8(x: &[f32], q: &mut [i8]) -> f32;
    quantise::quantise_i16(x: &[f32], high: &mut [i8], low: &mut [i8]) -> f32;
    vector::rescale(acc: &[i32], scale: f32, out: &mut [f32]);
    vector::scale_mul(x: &[f32], s: f32, w: &[f32], out: &mut [f32]);
    vector::add_assign(x: &mut [f32], y: &[f32]);
    vector::mul_assign(x: &mut [f32], y: &[f32]);
    vector::rope(head: &mut [f32], cos: &[f32], sin: &[f32]);
    activation::relu2_mul(gate: &mut [f32], up: &[f32]);
    activation::silu_mul(gate: &mut [f32], up: &[f32]);
}
