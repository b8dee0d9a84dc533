//! What a pass returns: logits, or the embeddings of an embedding model

use super::{ForwardError, Row, Transformer};
use crate::ops::{l2_normalise, lm_head, rms_norm};

impl Transformer<'_> {
    /// Head for the rows that want logits.
    pub(super) fn logits(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        let config = self.model.config();
        let (dim, vocab_size) = (config.dim as usize, config.vocab_size as usize);
        let r = self.final_norm(rows);
        if r == 0 {
            return Ok(&[]);
        }
        let s = &mut self.state;
        let logits = &mut s.output[..r * vocab_size];
        let table = self.model.lm_head();
        let (x, x_scale) = (&s.xb[..r * dim], &mut s.inputs.x_scale[..r]);
        lm_head(self.kernels, self.parallel, &table, dim, x, s.head_high, s.head_low, x_scale, logits);
        for (row, logits) in wanting(rows).zip(logits.chunks_exact(vocab_size)) {
            if !all_finite(logits) {
                return Err(ForwardError::NonFiniteLogits { pos: row.1.pos });
            }
        }
        Ok(logits)
    }

    /// Embeddings of the texts that end with the rows that want them: `Pooling::LastToken`.
    pub(super) fn pooled(&mut self, rows: &[Row]) -> Result<&[f32], ForwardError> {
        let dim = self.model.config().dim as usize;
        let r = self.final_norm(rows);
        let s = &mut self.state;
        let embeddings = &mut s.output[..r * dim];
        let pairs = s.xb.chunks_exact(dim).zip(embeddings.chunks_exact_mut(dim));
        for ((_, row), (x, out)) in wanting(rows).zip(pairs) {
            if !l2_normalise(self.kernels, x, out) {
                return Err(ForwardError::NoDirection { pos: row.pos });
            }
        }
        Ok(embeddings)
    }

    /// `final_norm(x)` of the rows that want it, one after the other into `xb`; returns how many.
    fn final_norm(&mut self, rows: &[Row]) -> usize {
        let config = self.model.config();
        let dim = config.dim as usize;
        let s = &mut self.state;
        for ((t, _), out) in wanting(rows).zip(s.xb.chunks_exact_mut(dim)) {
            let x = &s.x[t * dim..(t + 1) * dim];
            rms_norm(self.kernels, x, self.model.final_norm(), config.norm_eps, out);
        }
        wanting(rows).count()
    }
}

/// The rows that want an output, with their places in the pass.
fn wanting(rows: &[Row]) -> impl Iterator<Item = (usize, &Row)> {
    rows.iter().enumerate().filter(|(_, row)| row.wants_logits)
}

/// Whether no element is infinite or NaN; one integer maximum, no branch per element.
fn all_finite(x: &[f32]) -> bool {
    let largest = x.iter().fold(0u32, |max, v| max.max(v.to_bits() & 0x7fff_ffff));
    largest < f32::INFINITY.to_bits()
}
