//! Armv8.0 Advanced SIMD: Cortex-A53, A72 and everything later.

use super::{gemv_float, gevm, half};
use crate::dispatch::Entries;
use crate::ops;

mod gemm_i8_i2;
mod gemv_i16_i8;
mod gemv_i8_i2;

/// Elementwise operations are the portable ones: Advanced SIMD is part of the target, so they vectorise as they are.
pub(crate) const ENTRIES: Entries = Entries {
    gemv_i8_i2: gemv_i8_i2::gemv_i8_i2,
    gemm_i8_i2: gemm_i8_i2::gemm_i8_i2,
    gemv_i16_i8: gemv_i16_i8::gemv_i16_i8,
    gemv_f32_f32: gemv_float::gemv_f32_f32,
    gemv_f32_bf16: gemv_float::gemv_f32_bf16,
    gemv_f32_f16: gemv_float::gemv_f32_f16,
    gevm_f32_f32: gevm::gevm_f32_f32,
    gevm_f32_f16: gevm::gevm_f32_f16,
    sum_squares: gemv_float::sum_squares,
    softmax: ops::softmax::softmax,
    quantise_i8: ops::quantise::quantise_i8,
    quantise_i16: ops::quantise::quantise_i16,
    rescale: ops::vector::rescale,
    scale_mul: ops::vector::scale_mul,
    add_assign: ops::vector::add_assign,
    relu2_mul: ops::activation::relu2_mul,
    silu_mul: ops::activation::silu_mul,
    rope: ops::vector::rope,
    f32_to_f16: half::f32_to_f16,
    widen_f16: half::widen_f16,
    widen_bf16: ops::half::widen_bf16,
};
