//! The one instruction, whose intrinsic is not stable.
#![expect(unsafe_code, reason = "SDOT has no stable intrinsic")]

use core::arch::aarch64::{int8x16_t, int32x4_t};
use core::arch::asm;

/// `acc[i] += Σ a[4i..4i + 4] · b[4i..4i + 4]`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot(mut acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's target features include dotprod; the instruction works on registers alone.
    unsafe {
        asm!(
            "sdot {acc:v}.4s, {a:v}.16b, {b:v}.16b",
            acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}
