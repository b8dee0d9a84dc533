//! Armv8.6 `SMMLA`: a 2 × 8 by 8 × 2 product of int8. Neoverse N2 and V1, Cortex-A510, A710, X2 and later.
//!
//! Products with many tokens are its own; with one token there is nothing to share, and `SDOT` serves.

use super::dotprod;
use crate::dispatch::Entries;

mod gemm;
mod tile;

pub(crate) static ENTRIES: Entries = Entries {
    gemm_i8_i2: gemm::gemm_i8_i2,
    gemm_i8_tl1: gemm::gemm_i8_tl1,
    gemm_i8_tl2: gemm::gemm_i8_tl2,
    gemm_i8_t5: gemm::gemm_i8_t5,
    ..dotprod::ENTRIES
};
