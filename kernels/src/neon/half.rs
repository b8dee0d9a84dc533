//! Conversions to and from binary16 and bf16, eight at a time.
//!
//! `FCVTL` and `FCVTN` are baseline instructions whose intrinsics need an unstable type, hence the assembly. They
//! follow `FPCR`, which is 0 here: round to nearest even, subnormals kept, IEEE binary16.
#![expect(unsafe_code, reason = "two conversion instructions without a stable intrinsic")]

use core::arch::aarch64::{
    float32x4_t, uint16x8_t, vdupq_n_f32, vget_low_u16, vmaxq_f32, vminq_f32, vreinterpretq_f32_u32,
    vshll_high_n_u16, vshll_n_u16,
};
use core::arch::asm;

use super::load::{self, Load};
use crate::ops::half;

/// Eight binary16 as f32.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn widen_f16x8(x: uint16x8_t) -> [float32x4_t; 2] {
    let (low, high);
    // SAFETY: baseline instructions on registers; they touch no memory and no flags.
    unsafe {
        asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) low, in(vreg) x, options(pure, nomem, nostack, preserves_flags));
        asm!("fcvtl2 {0:v}.4s, {1:v}.8h", out(vreg) high, in(vreg) x, options(pure, nomem, nostack, preserves_flags));
    }
    [low, high]
}

/// Eight bf16 as f32: each is an upper half.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn widen_bf16x8(x: uint16x8_t) -> [float32x4_t; 2] {
    let low = vshll_n_u16::<16>(vget_low_u16(x));
    let high = vshll_high_n_u16::<16>(x);
    [vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high)]
}

/// Eight f32 as binary16, ties to even.
#[inline]
#[target_feature(enable = "neon")]
fn narrow_f16x8(low: float32x4_t, high: float32x4_t) -> uint16x8_t {
    let mut half: uint16x8_t;
    // SAFETY: baseline instructions on registers; they touch no memory and no flags.
    unsafe {
        asm!("fcvtn {0:v}.4h, {1:v}.4s", out(vreg) half, in(vreg) low, options(pure, nomem, nostack, preserves_flags));
        asm!(
            "fcvtn2 {0:v}.8h, {1:v}.4s", inout(vreg) half, in(vreg) high,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    half
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn f32_to_f16(x: &[f32], out: &mut [u16]) {
    let (x, x_tail) = x.as_chunks::<8>();
    let (out, out_tail) = out.as_chunks_mut::<8>();
    // FMIN and FMAX keep a NaN.
    let (most, least) = (vdupq_n_f32(65504.0), vdupq_n_f32(-65504.0));
    let clamped = |x: &[f32; 4]| vmaxq_f32(least, vminq_f32(most, x.load()));
    for (out, x) in out.iter_mut().zip(x) {
        let (quads, _) = x.as_chunks::<4>();
        load::store_u16x8(out, narrow_f16x8(clamped(&quads[0]), clamped(&quads[1])));
    }
    half::f32_to_f16(x_tail, out_tail);
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn widen_f16(x: &[u16], out: &mut [f32]) {
    let (x, x_tail) = x.as_chunks::<8>();
    let (out, out_tail) = out.as_chunks_mut::<8>();
    for (out, x) in out.iter_mut().zip(x) {
        let (quads, _) = out.as_chunks_mut::<4>();
        let [low, high] = widen_f16x8(x.load());
        load::store_f32x4(&mut quads[0], low);
        load::store_f32x4(&mut quads[1], high);
    }
    half::widen_f16(x_tail, out_tail);
}
