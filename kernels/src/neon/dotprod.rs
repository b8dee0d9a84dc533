//! Armv8.2 `SDOT`: four int8 products added to each int32 lane. Cortex-A55, A75, A76 and later.

use super::baseline;
use crate::dispatch::Entries;

mod columns;
mod columns_i2;
mod columns_t5;
mod gemm;
mod gemv_i16_i8;
pub(super) mod gemv_i8_i2;
pub(super) mod gemv_i8_t5;
pub(super) mod gemv_i8_tl2;
mod sdot;
mod split_head;
mod tile;

pub(crate) const ENTRIES: Entries = Entries {
    gemv_i8_i2: gemv_i8_i2::gemv_i8_i2,
    gemv_i8_tl2: gemv_i8_tl2::gemv_i8_tl2,
    gemv_i8_t5: gemv_i8_t5::gemv_i8_t5,
    gemv_rows_i8_i2: gemv_i8_i2::gemv_rows_i8_i2,
    gemv_rows_i8_tl2: gemv_i8_tl2::gemv_rows_i8_tl2,
    gemv_rows_i8_t5: gemv_i8_t5::gemv_rows_i8_t5,
    gemm_columns_i8_i2: columns::gemm_columns_i8_i2,
    gemm_columns_i8_tl2: columns::gemm_columns_i8_tl2,
    gemm_columns_i8_t5: columns::gemm_columns_i8_t5,
    gemm_i8_i2: gemm::gemm_i8_i2,
    gemm_i8_tl1: gemm::gemm_i8_tl1,
    gemm_i8_tl2: gemm::gemm_i8_tl2,
    gemm_i8_t5: gemm::gemm_i8_t5,
    gemv_i16_i8: gemv_i16_i8::gemv_i16_i8,
    gemv_i16_u5: split_head::gemv_i16_u5,
    gemv_i16_u3: split_head::gemv_i16_u3,
    ..baseline::ENTRIES
};
