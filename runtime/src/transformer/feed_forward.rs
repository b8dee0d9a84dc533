//! The gated feed-forward network

use ternlet_kernels::layout::i2;

use super::{Row, Transformer, norm_eps};
use crate::config::HiddenAct;
use crate::model::Layer;
use crate::ops::{linear, quantise_inputs, rms_norm};
use crate::parallel::{RowsMut, for_each_row};

impl<'a> Transformer<'a> {
    /// `x += w_down · ffn_sub_norm(act(w_gate·h) ⊙ w_up·h)`: gated FFN, arXiv:2002.05202 section 2.
    pub(super) fn feed_forward(&mut self, rows: &[Row], layer: &Layer<'a>) {
        let config = self.model.config();
        let (kernels, parallel) = (self.kernels, self.parallel);
        let (eps, linear_eps) = norm_eps(config);
        let (m, dim, hidden) = (rows.len(), config.dim as usize, config.hidden_dim as usize);
        let hidden_act = config.hidden_act;
        let s = &mut self.state;

        let linears = [layer.w_gate, layer.w_up];
        let norm = Some((layer.ffn_norm, eps));
        quantise_inputs(kernels, parallel, m, s.x, norm, s.xb, &linears, linear_eps, &mut s.inputs);
        let gate_up = &mut s.gate_up[..m * 2 * hidden];
        linear(kernels, parallel, &linears, &s.inputs, gate_up, s.acc);

        // relu²(gate) · up (ReLU²: arXiv:2109.08668 section 3.1) or silu(gate) · up, then the norms, each into the half
        // that its input does not need, then int8.
        let padded = i2::k_padded(hidden);
        let outputs = (
            RowsMut::new(gate_up, 2 * hidden),
            RowsMut::new(&mut s.inputs.xq[..m * padded], padded),
            RowsMut::new(&mut s.inputs.x_scale[..m], 1),
        );
        for_each_row(parallel, outputs, &mut [(); 0], |_, (gate_up, xq, x_scale), _| {
            let (gate, up) = gate_up.split_at_mut(hidden);
            match hidden_act {
                HiddenAct::Relu2 => kernels.relu2_mul(gate, up),
                HiddenAct::Silu => kernels.silu_mul(gate, up),
            }
            let (mut h, mut free) = (gate, up);
            for (norm, eps) in [(layer.ffn_sub_norm, eps), (layer.w_down.norm, linear_eps)] {
                if let Some(weight) = norm {
                    rms_norm(kernels, h, weight, eps, free);
                    (h, free) = (free, h);
                }
            }
            x_scale[0] = kernels.quantise_i8(h, xq);
        });

        let out = &mut s.xb[..m * dim];
        linear(kernels, parallel, &[layer.w_down], &s.inputs, out, s.acc);
        kernels.add_assign(&mut s.x[..m * dim], out);
    }
}
