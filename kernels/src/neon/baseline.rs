//! Armv8.0 Advanced SIMD: Cortex-A53, A72 and everything later.

use super::{elementwise, gemm_float, gemv_float, gevm, reduce};
use crate::dispatch::Entries;

mod columns;
mod gemm;
mod gemv_i16_i8;
mod gemv_i8;
mod gemv_i8_i2;
pub(super) mod gemv_i8_tl1;
mod split_head;

pub(crate) const ENTRIES: Entries = Entries {
    gemv_i8_i2: gemv_i8_i2::gemv_i8_i2,
    gemv_i8_tl1: gemv_i8_tl1::gemv_i8_tl1,
    gemv_i8_tl2: gemv_i8::gemv_i8_tl2,
    gemv_i8_t5: gemv_i8::gemv_i8_t5,
    gemm_i8_i2: gemm::gemm_i8_i2,
    gemm_i8_tl1: gemm::gemm_i8_tl1,
    gemm_i8_tl2: gemm::gemm_i8_tl2,
    gemm_i8_t5: gemm::gemm_i8_t5,
    gemv_rows_i8_i2: gemv_i8_i2::gemv_rows_i8_i2,
    gemv_rows_i8_tl2: gemv_i8::gemv_rows_i8_tl2,
    gemv_rows_i8_t5: gemv_i8::gemv_rows_i8_t5,
    gemm_columns_i8_i2: columns::gemm_columns_i8_i2,
    gemm_columns_i8_tl2: columns::gemm_columns_i8_tl2,
    gemm_columns_i8_t5: columns::gemm_columns_i8_t5,
    gemv_i16_i8: gemv_i16_i8::gemv_i16_i8,
    gemv_i16_u5: split_head::gemv_i16_u5,
    gemv_i16_u3: split_head::gemv_i16_u3,
    gemv_f32_f32: gemv_float::gemv_f32_f32,
    gemv_f32_bf16: gemv_float::gemv_f32_bf16,
    gemv_f32_f16: gemv_float::gemv_f32_f16,
    gemm_f32_f32: gemm_float::gemm_f32_f32,
    gemm_f32_f16: gemm_float::gemm_f32_f16,
    gemm_f32_i8: gemm_float::gemm_f32_i8,
    gevm_f32_f32: gevm::gevm_f32_f32,
    gevm_f32_f16: gevm::gevm_f32_f16,
    gevm_f32_i8: gevm::gevm_f32_i8,
    sum_squares: reduce::sum_squares,
    softmax: elementwise::softmax,
    quantise_i8: elementwise::quantise_i8,
    quantise_i16: elementwise::quantise_i16,
    rescale: elementwise::rescale,
    scale_mul: elementwise::scale_mul,
    add_assign: elementwise::add_assign,
    mul_assign: elementwise::mul_assign,
    relu2_mul: elementwise::relu2_mul,
    silu_mul: elementwise::silu_mul,
    rope: elementwise::rope,
    f32_to_f16: elementwise::f32_to_f16,
    widen_f16: elementwise::widen_f16,
    widen_bf16: elementwise::widen_bf16,
};
