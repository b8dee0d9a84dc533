//! The gated feed-forward network, and the exact `ReLU²` skip
//!
//! `relu²(gate) · up` is zero wherever the gate is not above zero, so for few tokens the gate goes first, and the rows
//! of `w_up` that only such gates would multiply are not read; then the columns of `w_down` whose int8 input is zero
//! are not read. A pass with the skip gives the bits of one without:
//!
//! - A dead gate gives `0 · up`: a zero of either sign if `up` is finite, and finite it is while `2²⁴` times its scale
//!   is, because no integer sum is larger (otherwise `w_up` is read whole). The skip puts +0 there. Squares, the largest
//!   magnitude and rounded steps are the same for both zeros, and the norms' factors give a zero or, if they are not
//!   finite, a NaN for both.
//! - A NaN gate is live.
//! - The norms run over the dense vector with its zeros in place: every sum has its terms in the same lanes.
//! - An int8 input of zero adds zero to an exact integer sum.

use core::ops::Range;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::i2;

use super::{Row, Transformer, norm_eps};
use crate::config::HiddenAct;
use crate::format::Order;
use crate::model::Layer;
use crate::ops::{MAX_JOINED_ROWS, add_rows, linear, linear_columns, linear_rows, quantise_inputs, rms_norm};
use crate::parallel::{RowsMut, for_each_row};
use crate::skip::{N_COUNTS, SkipCounts, bytes_in_lines, list_live};

/// Bound of every |integer sum|: 65536 weights of at most 2, inputs of at most 127, are just below 2²⁴.
const MAX_SUM: f32 = 16_777_216.0;

/// The places of `w_gate` and `w_up` among the two.
const GATE: Range<usize> = 0..1;
const UP: Range<usize> = 1..2;

impl<'a> Transformer<'a> {
    /// `x += w_down · ffn_sub_norm(act(w_gate·h) ⊙ w_up·h)`: gated FFN, arXiv:2002.05202 section 2.
    pub(super) fn feed_forward(&mut self, rows: &[Row], l: usize, layer: &Layer<'a>) {
        let config = self.model.config();
        let (kernels, parallel) = (self.kernels, self.parallel);
        let (eps, linear_eps) = norm_eps(config);
        let (m, dim, hidden) = (rows.len(), config.dim as usize, config.hidden_dim as usize);
        let hidden_act = config.hidden_act;
        let limits = self.skip.filter(|_| hidden_act == HiddenAct::Relu2 && m <= MAX_JOINED_ROWS);
        let mut counts = SkipCounts { passes: 1, ..SkipCounts::default() };
        let s = &mut self.state;

        let linears = [layer.w_gate, layer.w_up];
        let norm = Some((layer.ffn_norm, eps));
        quantise_inputs(kernels, parallel, m, s.x, norm, s.xb, &linears, linear_eps, &mut s.inputs);
        let gate_up = &mut s.gate_up[..m * 2 * hidden];
        let mut live_rows = None;
        if let Some(limits) = limits {
            linear(kernels, parallel, &linears, GATE, &s.inputs, gate_up, s.acc);
            let n_live = list_live_gates(s.live, gate_up, hidden);
            counts.zero_gates = (hidden - n_live) as u64;
            let up = &layer.w_up.weight;
            let (_, x_scale) = s.inputs.of(UP.start, &layer.w_up, m);
            let is_finite = x_scale.iter().all(|x_scale| (up.scale * x_scale * MAX_SUM).is_finite());
            if is_finite && up.layout.tile_rows() == 1 && limits.skips_rows(n_live, hidden) {
                let live = &s.live[..n_live];
                linear_rows(kernels, parallel, &linears, UP.start, live, &s.inputs, gate_up, s.acc);
                counts.up_bytes = bytes_in_lines(live, up.layout.row_bytes(up.k));
                live_rows = Some(live);
            } else {
                linear(kernels, parallel, &linears, UP, &s.inputs, gate_up, s.acc);
                counts.up_bytes = up.bytes.len() as u64;
            }
        } else {
            linear(kernels, parallel, &linears, GATE.start..UP.end, &s.inputs, gate_up, s.acc);
        }

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
            let (mut h, mut free) = match (hidden_act, live_rows) {
                (HiddenAct::Relu2, Some(live)) => {
                    relu2_mul_listed(kernels, live, gate, up);
                    (up, gate)
                }
                (HiddenAct::Relu2, None) => {
                    kernels.relu2_mul(gate, up);
                    (gate, up)
                }
                (HiddenAct::Silu, _) => {
                    kernels.silu_mul(gate, up);
                    (gate, up)
                }
            };
            for (norm, eps) in [(layer.ffn_sub_norm, eps), (layer.w_down.norm, linear_eps)] {
                if let Some(weight) = norm {
                    rms_norm(kernels, h, weight, eps, free);
                    (h, free) = (free, h);
                }
            }
            x_scale[0] = kernels.quantise_i8(h, xq);
        });

        let down = layer.w_down;
        let out = &mut s.xb[..m * dim];
        match down.weight.order {
            Order::RowMajor => linear(kernels, parallel, &[down], 0..1, &s.inputs, out, s.acc),
            Order::ColumnMajor => {
                let mut n_live = hidden;
                if let Some(limits) = limits {
                    n_live = list_live_inputs(s.live, &s.inputs.xq[..m * padded], hidden);
                    counts.zero_inputs = (hidden - n_live) as u64;
                    if !limits.skips_columns(n_live, hidden) {
                        n_live = hidden;
                    }
                }
                if n_live == hidden {
                    list_live(s.live, hidden, |_| true);
                }
                let live = &s.live[..n_live];
                counts.down_bytes = bytes_in_lines(live, down.weight.layout.row_bytes(dim));
                linear_columns(kernels, parallel, &down, &s.inputs, live, out, s.acc);
            }
        }
        add_rows(kernels, parallel, dim, &mut s.x[..m * dim], out);
        if limits.is_some() {
            if down.weight.order == Order::RowMajor {
                counts.down_bytes = down.weight.bytes.len() as u64;
            }
            counts.add_to(&mut s.skip_counts[l * N_COUNTS..(l + 1) * N_COUNTS]);
        }
    }
}

/// Lists the gates that are not at or below zero in every row of `gate_up: [m, 2 hidden]`.
fn list_live_gates(list: &mut [u32], gate_up: &[f32], hidden: usize) -> usize {
    // A NaN compares with nothing: it is live.
    let is_dead = |gate: f32| gate <= 0.0;
    match gate_up.len() / (2 * hidden) {
        1 => list_live(list, hidden, |i| !is_dead(gate_up[i])),
        _ => list_live(list, hidden, |i| !gate_up.chunks_exact(2 * hidden).all(|row| is_dead(row[i]))),
    }
}

/// Lists the inputs that are not zero in every row of `xq: [m, padded hidden]`.
fn list_live_inputs(list: &mut [u32], xq: &[i8], hidden: usize) -> usize {
    let padded = i2::k_padded(hidden);
    match xq.len() / padded {
        1 => list_live(list, hidden, |i| xq[i] != 0),
        _ => list_live(list, hidden, |i| xq.chunks_exact(padded).any(|row| row[i] != 0)),
    }
}

/// `up = relu²(gate) · up` at the indices `live` and +0 elsewhere, where `up` comes as one number for each of them, in
/// front.
///
/// `gate`, `up`: `[hidden]`; `gate` is overwritten.
fn relu2_mul_listed(kernels: &Kernels, live: &[u32], gate: &mut [f32], up: &mut [f32]) {
    // In place, as the list ascends and so never runs ahead of what is read.
    for (j, &i) in live.iter().enumerate() {
        gate[j] = gate[i as usize];
    }
    kernels.relu2_mul(&mut gate[..live.len()], &up[..live.len()]);
    up.fill(0.0);
    for (&i, &product) in live.iter().zip(gate.iter()) {
        up[i as usize] = product;
    }
}
