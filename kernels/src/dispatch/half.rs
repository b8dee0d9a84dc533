//! Conversions between f32 and the two 16-bit formats.

use super::Kernels;
use crate::shape;

impl Kernels {
    /// f32 to IEEE binary16: round half to even, saturating to ±65504 (infinities too), subnormals kept, NaN stays NaN.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn f32_to_f16(&self, x: &[f32], out: &mut [u16]) {
        shape::equal("out", out.len(), x.len());
        self.entries.f32_to_f16(x, out);
    }

    /// IEEE binary16 to f32, exactly.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn widen_f16(&self, x: &[u16], out: &mut [f32]) {
        shape::equal("out", out.len(), x.len());
        self.entries.widen_f16(x, out);
    }

    /// bf16 to f32, exactly.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn widen_bf16(&self, x: &[u16], out: &mut [f32]) {
        shape::equal("out", out.len(), x.len());
        self.entries.widen_bf16(x, out);
    }
}
