//! Attention: queries, keys and values, the softmax over the cache, the output projection

use super::{Row, Transformer, norm_eps};
use crate::kv_cache::Head;
use crate::model::Layer;
use crate::ops::{add_rows, linear, quantise_inputs, rms_norm};
use crate::parallel::{RowsMut, for_each_row};

impl<'a> Transformer<'a> {
    /// `x += wo · attn_sub_norm(attention(...))`.
    pub(super) fn attention(&mut self, rows: &[Row], l: usize, layer: &Layer<'a>) {
        let config = self.model.config();
        let (kernels, parallel) = (self.kernels, self.parallel);
        let (eps, linear_eps) = norm_eps(config);
        let (m, dim, head_dim) = (rows.len(), config.dim as usize, config.head_dim as usize);
        let (q_dim, kv_dim) = (config.q_dim() as usize, config.kv_dim() as usize);
        let (n_kv_heads, group_size) = (config.n_kv_heads as usize, config.group_size() as usize);
        let qkv_dim = q_dim + 2 * kv_dim;
        let s = &mut self.state;

        // h = attn_norm(x) -> int8; queries, keys and values in one fork-join.
        let linears = [layer.wq, layer.wk, layer.wv];
        let norm = Some((layer.attn_norm, eps));
        quantise_inputs(kernels, parallel, m, s.x, norm, s.xb, &linears, linear_eps, &mut s.inputs);
        let qkv = &mut s.qkv[..m * qkv_dim];
        linear(kernels, parallel, &linears, 0..3, &s.inputs, qkv, s.acc);

        // Normalise each head of queries and keys (`xb` is free for what goes in), rotate them; queries take the softmax
        // scale 1/sqrt(head_dim) with them.
        #[expect(clippy::cast_precision_loss, reason = "head_dim is at most 512, exact in f32")]
        let scale = 1.0 / libm::sqrtf(head_dim as f32);
        let (cos, sin) = (&*s.cos, &*s.sin);
        let outputs = (RowsMut::new(qkv, qkv_dim), RowsMut::new(&mut s.xb[..m * q_dim], q_dim));
        for_each_row(parallel, outputs, &mut [(); 0], |t, (qkv, free), _| {
            let (queries, keys) = qkv[..q_dim + kv_dim].split_at_mut(q_dim);
            for (heads, norm) in [(&mut *queries, layer.q_norm), (keys, layer.k_norm)] {
                let Some(weight) = norm else { continue };
                for head in heads.chunks_exact_mut(head_dim) {
                    let x = &mut free[..head_dim];
                    x.copy_from_slice(head);
                    rms_norm(kernels, x, weight, eps, head);
                }
            }
            let angles = t * head_dim / 2..(t + 1) * head_dim / 2;
            for head in qkv[..q_dim + kv_dim].chunks_exact_mut(head_dim) {
                kernels.rope(head, &cos[angles.clone()], &sin[angles.clone()]);
            }
            qkv[..q_dim].iter_mut().for_each(|q| *q *= scale);
        });

        // On one worker: of a layer's time this takes less than a thousandth, whatever the number of rows.
        for (row, qkv) in rows.iter().zip(qkv.chunks_exact(qkv_dim)) {
            let (keys, values) = qkv[q_dim..].split_at(kv_dim);
            let heads = keys.chunks_exact(head_dim).zip(values.chunks_exact(head_dim));
            for (kv_head, (key, value)) in heads.enumerate() {
                let head = Head { slot: row.slot as usize, layer: l, kv_head };
                self.cache.store(kernels, head, row.pos as usize, key, value);
            }
        }

        // Softmax attention, arXiv:1706.03762 section 3.2.1: one row and the query heads of one KV head at a time.
        let (cache, qkv) = (&self.cache, &*qkv);
        let group_dim = group_size * head_dim;
        let groups = RowsMut::new(&mut s.xb[..m * q_dim], group_dim);
        for_each_row(parallel, groups, s.scores, |i, out, scores| {
            let (t, kv_head) = (i / n_kv_heads, i % n_kv_heads);
            let head = Head { slot: rows[t].slot as usize, layer: l, kv_head };
            let (n, stride) = (rows[t].pos as usize + 1, scores.len() / group_size);
            let queries = &qkv[t * qkv_dim + kv_head * group_dim..][..group_dim];
            cache.scores(kernels, head, n, queries, scores, stride);
            for scores in scores.chunks_exact_mut(stride) {
                kernels.softmax(&mut scores[..n]);
            }
            cache.weighted_values(kernels, head, n, scores, stride, out);
        });

        // Output projection, back onto the residual stream.
        let norm = layer.attn_sub_norm.map(|weight| (weight, eps));
        quantise_inputs(kernels, parallel, m, s.xb, norm, s.qkv, &[layer.wo], linear_eps, &mut s.inputs);
        let out = &mut s.xb[..m * dim];
        linear(kernels, parallel, &[layer.wo], 0..1, &s.inputs, out, s.acc);
        add_rows(kernels, parallel, dim, &mut s.x[..m * dim], out);
    }
}
