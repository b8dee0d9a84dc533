//! What the `ReLU²` skip found and read while decoding, layer by layer

use serde::Serialize;
use ternlet_runtime::format::Role;
use ternlet_runtime::{Model, Session, SkipCounts};

/// What a run's passes found, from a session's counts before and after.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Skipped {
    layers: Vec<SkipCounts>,
}

impl Skipped {
    /// All counts of `session` so far.
    pub(super) fn so_far(session: &mut Session<'_>) -> Self {
        let n_layers = session.model().config().n_layers as usize;
        let transformer = session.transformer();
        Self { layers: (0..n_layers).map(|layer| transformer.skip_counts(layer)).collect() }
    }

    /// What came after `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let difference = |(now, before): (&SkipCounts, &SkipCounts)| SkipCounts {
            passes: now.passes - before.passes,
            zero_gates: now.zero_gates - before.zero_gates,
            zero_inputs: now.zero_inputs - before.zero_inputs,
            up_bytes: now.up_bytes - before.up_bytes,
            down_bytes: now.down_bytes - before.down_bytes,
        };
        Self { layers: self.layers.iter().zip(&before.layers).map(difference).collect() }
    }

    /// Bytes of `w_up` and `w_down` that a pass left unread.
    pub(super) fn unread_bytes(&self, model: &Model<'_>) -> u64 {
        let mut unread = 0;
        for entry in model.tensors().filter(|entry| matches!(entry.role, Role::WUp | Role::WDown)) {
            let Some(counts) = self.layers.get(usize::from(entry.layer)) else { continue };
            let read = if entry.role == Role::WUp { counts.up_bytes } else { counts.down_bytes };
            if let Some(read) = read.checked_div(counts.passes) {
                unread += entry.length.saturating_sub(read);
            }
        }
        unread
    }

    /// Shares of zeros; `None` where nothing looked for them.
    pub(super) fn zeros(&self, hidden_dim: u32) -> Option<Zeros> {
        if self.layers.iter().any(|counts| counts.passes == 0) {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "shares with three digits")]
        let share = |n: u64, passes: u64| n as f64 / (passes as f64 * f64::from(hidden_dim));
        let column = |count: fn(&SkipCounts) -> u64| -> Vec<f64> {
            self.layers.iter().map(|counts| share(count(counts), counts.passes)).collect()
        };
        let gates_by_layer = column(|counts| counts.zero_gates);
        let down_inputs_by_layer = column(|counts| counts.zero_inputs);
        Some(Zeros {
            gates: mean(&gates_by_layer),
            down_inputs: mean(&down_inputs_by_layer),
            gates_by_layer,
            down_inputs_by_layer,
        })
    }
}

/// Shares of zeros behind `ReLU²`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Zeros {
    /// Of gates, over all layers.
    pub(crate) gates: f64,
    /// Of `w_down`'s int8 inputs, over all layers; 0 where `w_down` is stored by rows, which nothing is skipped of.
    pub(crate) down_inputs: f64,
    pub(crate) gates_by_layer: Vec<f64>,
    pub(crate) down_inputs_by_layer: Vec<f64>,
}

#[expect(clippy::cast_precision_loss, reason = "a number of layers")]
fn mean(shares: &[f64]) -> f64 {
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_passes_in_between() {
        let counts = |passes, zeros| SkipCounts {
            passes,
            zero_gates: zeros,
            zero_inputs: zeros / 2,
            ..SkipCounts::default()
        };
        let before = Skipped { layers: vec![counts(2, 100), counts(2, 0)] };
        let after = Skipped { layers: vec![counts(6, 140), counts(6, 40)] };
        let zeros = after.since(&before).zeros(20).unwrap();
        assert_eq!((zeros.gates, zeros.down_inputs), (0.5, 0.25));
        assert_eq!(zeros.gates_by_layer, [0.5, 0.5]);
        assert_eq!(before.since(&before).zeros(20), None);
    }
}
