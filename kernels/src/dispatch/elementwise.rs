//! Elementwise operations: plain IEEE + - * / in the order written, never contracted.

use super::Kernels;
use crate::shape;

impl Kernels {
    /// `out[i] = (acc[i] as f32) · scale`: from integer sums to f32. Exact before the product while `|acc| < 2²⁴`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn rescale(&self, acc: &[i32], scale: f32, out: &mut [f32]) {
        shape::equal("out", out.len(), acc.len());
        self.entries.rescale(acc, scale, out);
    }

    /// `out[i] = w[i] · (x[i] · s)`: the second half of `RMSNorm`, `s` being `1 / sqrt(mean(x²) + eps)`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn scale_mul(&self, x: &[f32], s: f32, w: &[f32], out: &mut [f32]) {
        shape::equal("w", w.len(), x.len());
        shape::equal("out", out.len(), x.len());
        self.entries.scale_mul(x, s, w, out);
    }

    /// `x[i] += y[i]`: the residual stream.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add_assign(&self, x: &mut [f32], y: &[f32]) {
        shape::equal("y", y.len(), x.len());
        self.entries.add_assign(x, y);
    }

    /// `x[i] *= y[i]`: attention scores and weights by the scales of an int8 KV cache.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn mul_assign(&self, x: &mut [f32], y: &[f32]) {
        shape::equal("y", y.len(), x.len());
        self.entries.mul_assign(x, y);
    }

    /// `gate[i] = max(gate[i], 0)² · up[i]`: the gated `ReLU²` unit (arXiv:2109.08668). A NaN gate stays NaN.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn relu2_mul(&self, gate: &mut [f32], up: &[f32]) {
        shape::equal("up", up.len(), gate.len());
        self.entries.relu2_mul(gate, up);
    }

    /// `gate[i] = gate[i] / (1 + exp(-gate[i])) · up[i]`: the `SwiGLU` unit (arXiv:2002.05202).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn silu_mul(&self, gate: &mut [f32], up: &[f32]) {
        shape::equal("up", up.len(), gate.len());
        self.entries.silu_mul(gate, up);
    }

    /// Rotates the pairs `(i, i + half)` of one head by position (`RoPE`, arXiv:2104.09864; the rotate-half order of
    /// Hugging Face checkpoints).
    ///
    /// | arg    | shape            | unit / meaning                                              |
    /// |--------|------------------|-------------------------------------------------------------|
    /// | `head` | `[head_dim]`     | query or key; becomes `a·cos - b·sin`, `b·cos + a·sin`      |
    /// | `cos`  | `[head_dim / 2]` | cosines of `pos · inv_freq[i]`                              |
    /// | `sin`  | `[head_dim / 2]` | sines of the same                                           |
    ///
    /// # Panics
    /// If `head` is not twice as long as `cos` and `sin`.
    pub fn rope(&self, head: &mut [f32], cos: &[f32], sin: &[f32]) {
        shape::equal("sin", sin.len(), cos.len());
        shape::equal("head", head.len(), 2 * cos.len());
        self.entries.rope(head, cos, sin);
    }
}
