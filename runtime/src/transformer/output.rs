//! What a pass returns: logits, or the embeddings of an embedding model

use super::{ForwardError, Row, Transformer};
use crate::model::Table;
use crate::ops::{l2_normalise, largest, lm_head, quantise_head_inputs, rms_norm};

impl Transformer<'_> {
    /// Head for the rows that want logits, of which the largest `top_k` are enough; `None`: all.
    pub(super) fn logits(&mut self, rows: &[Row], top_k: Option<u32>) -> Result<&[f32], ForwardError> {
        let config = self.model.config();
        let (dim, vocab_size) = (config.dim as usize, config.vocab_size as usize);
        let max_top_k = self.plan.options().max_top_k.min(config.vocab_size - 1);
        let top_k = top_k.filter(|k| (1..=max_top_k).contains(k));
        let r = self.final_norm(rows);
        if r == 0 {
            return Ok(&[]);
        }
        let s = &mut self.state;
        let logits = &mut s.output[..r * vocab_size];
        let table = self.model.lm_head();
        let x = &s.xb[..r * dim];
        let (n_completed, is_sound): (usize, fn(&[f32]) -> bool) = match (&table, top_k) {
            (Table::I8Split(table), Some(k)) => {
                let inputs = quantise_head_inputs(self.kernels, dim, x, &mut s.head);
                let middles = &mut s.head_middles[..r * vocab_size];
                let (kernels, parallel, k) = (self.kernels, self.parallel, k as usize);
                let n = largest(kernels, parallel, table, dim, k, &inputs, middles, s.head_best, logits);
                (n, |logits| !logits.iter().any(|logit| logit.is_nan()))
            }
            _ => {
                lm_head(self.kernels, self.parallel, &table, dim, x, &mut s.head, logits);
                (r * vocab_size, all_finite)
            }
        };
        self.output_is_whole = n_completed == r * vocab_size;
        self.head_work.n_rows += (r * vocab_size) as u64;
        self.head_work.n_completed += n_completed as u64;
        for (row, logits) in wanting(rows).zip(logits.chunks_exact(vocab_size)) {
            if !is_sound(logits) {
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
