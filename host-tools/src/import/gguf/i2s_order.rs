//! In which order `I2_S` keeps trits: three under one name, and nothing in the file that says which
//!
//! Every order holds the same codes in as many bytes, and misreading one permutes weights, which runs and writes
//! nonsense. What can tell them apart is the training: a neuron of the feed-forward block has a row in `ffn_gate` and
//! `ffn_up` and a column in `ffn_down`, and how many of its weights are not zero is much the same in all three (in the
//! model that ships with ternlet the counts correlate by 0.97 in the right order and by 0.3 at most in a wrong one).
//! Random weights, and matrices that are stored in other types, show nothing; then files are read as all published
//! ones are written. Sources of the orders: bitnet.cpp, `ggml-bitnet-mad.cpp` (`quantize_i2_s`) and its Python
//! converters.

use core::fmt;

use super::ternary::{Form, RowOrder, Rows, TernaryMatrix};
use crate::error::Error;

/// In which order `I2_S` keeps trits; files do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum I2sOrder {
    /// Blocks of 128 weights: byte j holds weights j, 32+j, 64+j, 96+j, the first in the top bits. All published files.
    #[default]
    Blocks128,
    /// Blocks of 64 weights: byte j holds weights j, 16+j, 32+j, 48+j. Files quantised on Arm since November 2025.
    Blocks64,
    /// Byte c of four rows holds column c of each. Files quantised on x86 by a build without `ACT_PARALLEL`.
    FourRows,
}

impl I2sOrder {
    /// Where weight `[row, column]` of a matrix with rows of `k` lies: its byte, and how far up in it.
    pub(super) const fn place(self, row: usize, column: usize, k: usize) -> (usize, usize) {
        let index = row * k + column;
        match self {
            Self::Blocks128 => (index / 128 * 32 + index % 32, 6 - 2 * (index % 128 / 32)),
            Self::Blocks64 => (index / 64 * 16 + index % 16, 6 - 2 * (index % 64 / 16)),
            Self::FourRows => (row / 4 * k + column, 6 - 2 * (row % 4)),
        }
    }

    /// Whether a matrix of `n` rows of `k` is made of whole blocks.
    pub(super) const fn fits(self, n: usize, k: usize) -> bool {
        match self {
            Self::Blocks128 => (n * k).is_multiple_of(128),
            Self::Blocks64 => (n * k).is_multiple_of(64),
            Self::FourRows => n.is_multiple_of(4),
        }
    }
}

impl fmt::Display for I2sOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocks128 => "blocks of 128",
            Self::Blocks64 => "blocks of 64",
            Self::FourRows => "four rows side by side",
        })
    }
}

impl I2sOrder {
    const ALL: [Self; 3] = [Self::Blocks128, Self::Blocks64, Self::FourRows];

    /// What the command line calls it.
    const fn flag(self) -> &'static str {
        match self {
            Self::Blocks128 => "--i2s-order 128",
            Self::Blocks64 => "--i2s-order 64",
            Self::FourRows => "--i2s-order rows",
        }
    }
}

/// The matrices of one feed-forward block, all of type `I2_S`.
#[derive(Debug)]
pub(super) struct FeedForward<'a> {
    /// `ffn_gate` and `ffn_up`, a row for each neuron.
    pub into: [TernaryMatrix<'a>; 2],
    /// `ffn_down`, a column for each neuron.
    pub out_of: TernaryMatrix<'a>,
    /// Rows of `out_of`.
    pub dim: usize,
}

/// The order to read a file in, given what the user said and some of its blocks; and what the user should know.
pub(super) fn choose(said: Option<I2sOrder>, blocks: &[FeedForward<'_>]) -> (I2sOrder, Option<String>) {
    let found = evidence(blocks);
    match (said, found) {
        (None, Some((order, _))) if order == I2sOrder::default() => (order, None),
        (None, Some((order, agreement))) => {
            let warning = format!(
                "I2_S weights are read as {order}: that way the weights into and out of each neuron agree \
                 (correlation {agreement:.2}), as blocks of 128 they do not; {} insists on those",
                I2sOrder::default().flag()
            );
            (order, Some(warning))
        }
        (None, None) => {
            let warning = format!(
                "I2_S weights are read as {}, as published files have them; files do not say, and these weights do \
                 not show it. If the model writes nonsense, try {} (quantised on Arm since November 2025)",
                I2sOrder::default(),
                I2sOrder::Blocks64.flag()
            );
            (I2sOrder::default(), Some(warning))
        }
        (Some(said), Some((order, agreement))) if said != order => {
            let warning = format!(
                "I2_S weights are read as {said}, as asked, but look like {order}: only that way the weights into and \
                 out of each neuron agree (correlation {agreement:.2})"
            );
            (said, Some(warning))
        }
        (Some(said), _) => (said, None),
    }
}

/// The order in which the counts of each neuron agree, and how well, if one order stands out.
fn evidence(blocks: &[FeedForward<'_>]) -> Option<(I2sOrder, f64)> {
    /// A correlation that training leaves in the right order.
    const CLEAR: f64 = 0.2;
    /// How often it must exceed the scatter that chance gives a correlation, which is 1 over the root of the neurons.
    const BEYOND_CHANCE: f64 = 6.0;
    /// How far the next order must be behind: a wrong one keeps part of the weights in their places.
    const AHEAD: f64 = 1.5;
    let n_neurons: usize = blocks.iter().map(|block| block.out_of.k).sum();
    let mean = |order| {
        let sum = blocks.iter().map(|block| block.agreement(order)).sum::<Result<f64, Error>>();
        // Damage shows when the weights are packed.
        sum.unwrap_or(0.0) / precise(blocks.len().max(1))
    };
    let mut means = I2sOrder::ALL.map(|order| (order, mean(order)));
    means.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let [(order, first), (_, second), _] = means;
    let is_clear = first >= CLEAR && first * precise(n_neurons).sqrt() >= BEYOND_CHANCE;
    (is_clear && first >= AHEAD * second).then_some((order, first))
}

#[expect(clippy::cast_precision_loss, reason = "a count of neurons is far below 2^53")]
const fn precise(n: usize) -> f64 {
    n as f64
}

impl FeedForward<'_> {
    /// Correlation between the weights that are not zero into each neuron and those out of it, read in `order`.
    fn agreement(&self, order: I2sOrder) -> Result<f64, Error> {
        let n_neurons = self.out_of.k;
        let (mut into, mut out_of) = (vec![0.0; n_neurons], vec![0.0; n_neurons]);
        for matrix in &self.into {
            if !order.fits(n_neurons, matrix.k) {
                return Ok(0.0);
            }
            let mut rows = matrix.rows(order)?;
            for (row, count) in into.iter_mut().enumerate() {
                let n: u32 = rows.read(row)?.iter().map(|trit| u32::from(trit.unsigned_abs())).sum();
                *count += f64::from(n);
            }
        }
        if !order.fits(self.dim, n_neurons) {
            return Ok(0.0);
        }
        let mut rows = self.out_of.rows(order)?;
        for row in 0..self.dim {
            for (count, trit) in out_of.iter_mut().zip(rows.read(row)?) {
                *count += f64::from(trit.abs());
            }
        }
        Ok(correlation(&into, &out_of))
    }
}

impl<'a> TernaryMatrix<'a> {
    /// The rows as they are stored, read in `order`.
    fn rows(&self, order: I2sOrder) -> Result<Rows<'a>, Error> {
        Rows::new(Self { form: Form::I2S(order), ..self.clone() }, RowOrder::AsStored, 1.0)
    }
}

/// Pearson's correlation; 0 where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / precise(values.len());
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |product: fn(f64, f64) -> f64| {
        a.iter().zip(b).map(|(a, b)| product(a - mean_a, b - mean_b)).sum::<f64>()
    };
    let variances = sum(|a, _| a * a) * sum(|_, b| b * b);
    if variances > 0.0 { sum(|a, b| a * b) / variances.sqrt() } else { 0.0 }
}
