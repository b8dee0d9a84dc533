//! Portable kernels, written to be read: the oracle that every other backend must equal.

use crate::dispatch::Entries;
use crate::ops::{activation, half, quantise, softmax, vector};

pub(crate) mod fma;
mod i8_head;
mod reduction;
mod split_head;
mod ternary;

pub(crate) const ENTRIES: Entries = Entries {
    gemv_i8_i2: ternary::gemv_i8_i2,
    gemv_i8_tl1: ternary::gemv_i8_tl1,
    gemv_i8_tl2: ternary::gemv_i8_tl2,
    gemv_i8_t5: ternary::gemv_i8_t5,
    gemm_i8_i2: ternary::gemm_i8_i2,
    gemm_i8_tl1: ternary::gemm_i8_tl1,
    gemm_i8_tl2: ternary::gemm_i8_tl2,
    gemm_i8_t5: ternary::gemm_i8_t5,
    gemv_rows_i8_i2: ternary::gemv_rows_i8_i2,
    gemv_rows_i8_tl2: ternary::gemv_rows_i8_tl2,
    gemv_rows_i8_t5: ternary::gemv_rows_i8_t5,
    gemm_columns_i8_i2: ternary::gemm_columns_i8_i2,
    gemm_columns_i8_tl2: ternary::gemm_columns_i8_tl2,
    gemm_columns_i8_t5: ternary::gemm_columns_i8_t5,
    gemv_i16_i8: i8_head::gemv_i16_i8,
    gemv_i16_u5: split_head::gemv_i16_u5,
    gemv_i16_u3: split_head::gemv_i16_u3,
    gemv_f32_f32: reduction::gemv_f32_f32,
    gemv_f32_bf16: reduction::gemv_f32_bf16,
    gemv_f32_f16: reduction::gemv_f32_f16,
    gemm_f32_f32: reduction::gemm_f32_f32,
    gemm_f32_f16: reduction::gemm_f32_f16,
    gemm_f32_i8: reduction::gemm_f32_i8,
    gevm_f32_f32: reduction::gevm_f32_f32,
    gevm_f32_f16: reduction::gevm_f32_f16,
    gevm_f32_i8: reduction::gevm_f32_i8,
    sum_squares: reduction::sum_squares,
    softmax: softmax::softmax,
    quantise_i8: quantise::quantise_i8,
    quantise_i16: quantise::quantise_i16,
    rescale: vector::rescale,
    scale_mul: vector::scale_mul,
    add_assign: vector::add_assign,
    mul_assign: vector::mul_assign,
    relu2_mul: activation::relu2_mul,
    silu_mul: activation::silu_mul,
    rope: vector::rope,
    f32_to_f16: half::f32_to_f16,
    widen_f16: half::widen_f16,
    widen_bf16: half::widen_bf16,
};
