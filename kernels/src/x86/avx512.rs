//! AVX-512 F, BW, VL, VNNI and VBMI on top of AVX2.
//!
//! `VPDPBUSD` adds four products of unsigned and signed bytes to each int32 lane and never saturates, so no kernel
//! here sums in int16. The same instruction as AVX-VNNI (VEX encoded, 256 bits) is not used: the cores that have only
//! that one run the AVX2 backend.

use super::avx2;
use crate::dispatch::Entries;

mod columns_i8_i2;
mod five_bits;
mod gemm_few_i8_i2;
mod gemm_i8_i2;
mod gemm_rows;
mod gemv_i16_i8;
mod gemv_i16_u3;
mod gemv_i16_u5;
mod gemv_i8_i2;
mod gemv_i8_t5;
mod gemv_i8_tl2;
mod load;
mod rows;
mod sum;
mod transpose;
mod winograd;

pub(crate) static ENTRIES: Entries = Entries {
    gemv_i8_i2: gemv_i8_i2::gemv_i8_i2,
    gemm_i8_i2: gemm_i8_i2::gemm_i8_i2,
    gemv_i8_tl2: gemv_i8_tl2::gemv_i8_tl2,
    gemv_i8_t5: gemv_i8_t5::gemv_i8_t5,
    gemv_rows_i8_tl2: gemv_i8_tl2::gemv_rows_i8_tl2,
    gemv_rows_i8_t5: gemv_i8_t5::gemv_rows_i8_t5,
    gemv_rows_i8_i2: gemv_i8_i2::gemv_rows_i8_i2,
    gemm_columns_i8_i2: columns_i8_i2::gemm_columns_i8_i2,
    gemv_i16_u5: gemv_i16_u5::gemv_i16_u5,
    gemv_i16_u3: gemv_i16_u3::gemv_i16_u3,
    gemv_i16_i8: gemv_i16_i8::gemv_i16_i8,
    ..avx2::ENTRIES
};
