//! Models whose head is a table made for a purpose

use ternlet::error::Error;
use ternlet::pack::synth::{Synth, shape_125m};
use ternlet::pack::{Source, TernaryRows};
use ternlet_runtime::format::{ExpectedTensor, Layout, Role};
use ternlet_runtime::{Config, Model, ModelFile};

pub(crate) const DIM: usize = 200;
const VOCAB_SIZE: u32 = 1500;

/// What the rows of the head are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// Noise, and one row in a hundred three times as large: a winner that stands out.
    Noise,
    /// Every row the same.
    Equal,
    /// A hundred different rows, each many times.
    Repeated,
    /// Rows that differ in a single weight by a single step.
    OneStep,
    /// Weights of the two largest magnitudes alone.
    Saturated,
    /// Zeros, and a few rows that are not.
    Sparse,
    /// Rows whose lengths lie forty powers of ten apart.
    Scales,
    /// Low bits all set or all clear, by the sign of nothing but the row: the bound at its worst.
    LowBits,
}

pub(crate) const TABLES: [TableKind; 8] = [
    TableKind::Noise,
    TableKind::Equal,
    TableKind::Repeated,
    TableKind::OneStep,
    TableKind::Saturated,
    TableKind::Sparse,
    TableKind::Scales,
    TableKind::LowBits,
];

/// What the final norm makes of the head's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    /// An ordinary vector.
    Ones,
    /// All zero.
    Zeros,
    /// One element.
    OneHot,
    /// One element a hundred thousand times the others: they quantise to 0 or 1.
    Outlier,
    /// Nothing in the first 150 elements.
    Tail,
}

impl Norm {
    pub(crate) const ALL: [Self; 5] = [Self::Ones, Self::Zeros, Self::OneHot, Self::Outlier, Self::Tail];

    fn weights(self) -> Vec<f32> {
        let weight = |i: usize| match self {
            Self::Ones => 1.0,
            Self::Zeros => 0.0,
            Self::OneHot => f32::from(u8::from(i == 133)),
            Self::Outlier => {
                if i == 7 {
                    1e5
                } else {
                    1.0
                }
            }
            Self::Tail => f32::from(u8::from(i >= 150)),
        };
        (0..DIM).map(weight).collect()
    }
}

/// A small random model with such a head of its own.
#[derive(Debug)]
pub(crate) struct Crafted {
    body: Synth,
    table: TableKind,
    norm: Norm,
}

impl Crafted {
    pub(crate) fn new(table: TableKind, norm: Norm) -> Self {
        let config = Config {
            dim: u32::try_from(DIM).expect("small"),
            hidden_dim: 64,
            n_layers: 1,
            n_heads: 4,
            n_kv_heads: 2,
            head_dim: 10,
            vocab_size: VOCAB_SIZE,
            max_seq_len: 64,
            tied_embedding: false,
            ..shape_125m()
        };
        Self { body: Synth::new(config, 9), table, norm }
    }

    /// Weight `i` of row `row`.
    fn weight(&self, row: u32, i: usize) -> f32 {
        let noise = |row: u32| {
            let mut z = (u64::from(row) << 20 | i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (z >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        match self.table {
            TableKind::Noise => noise(row) * if row % 100 == 3 { 3.0 } else { 1.0 },
            TableKind::Equal => noise(0),
            TableKind::Repeated => noise(row % 100),
            TableKind::OneStep => {
                let step = if i == row as usize % DIM { 1.0 / 127.0 } else { 0.0 };
                if i == 0 { 1.0 } else { (noise(0) * 100.0).round() / 127.0 + step }
            }
            TableKind::Saturated => {
                if noise(row) < 0.0 {
                    -1.0
                } else {
                    1.0
                }
            }
            TableKind::Sparse => {
                if row % 500 == 1 {
                    noise(row)
                } else {
                    0.0
                }
            }
            TableKind::Scales => noise(row) * 10f32.powi(i32::try_from(row % 40).expect("small") - 30),
            TableKind::LowBits => {
                let low = if row.is_multiple_of(2) { 7.0 } else { 0.0 };
                if i == 0 { 1.0 } else { ((noise(row) * 14.0).floor() * 8.0 + low) / 127.0 }
            }
        }
    }
}

impl Source for Crafted {
    fn config(&self) -> &Config {
        self.body.config()
    }

    fn table_layout(&self, tensor: &ExpectedTensor) -> Result<Layout, Error> {
        if tensor.role == Role::LmHead { Ok(Layout::F32) } else { self.body.table_layout(tensor) }
    }

    fn ternary(&self, tensor: &ExpectedTensor) -> Result<Box<dyn TernaryRows + '_>, Error> {
        self.body.ternary(tensor)
    }

    fn vector(&self, tensor: &ExpectedTensor) -> Result<Vec<f32>, Error> {
        if tensor.role == Role::FinalNorm { Ok(self.norm.weights()) } else { self.body.vector(tensor) }
    }

    fn table_rows(
        &self,
        tensor: &ExpectedTensor,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if tensor.role != Role::LmHead {
            return self.body.table_rows(tensor, visit);
        }
        for row in 0..VOCAB_SIZE {
            let bytes: Vec<u8> = (0..DIM).flat_map(|i| self.weight(row, i).to_le_bytes()).collect();
            visit(&bytes)?;
        }
        Ok(())
    }
}

/// The model of `file` with element `element` of the vector `role` replaced.
pub(crate) fn patched(
    file: &ModelFile,
    role: Role,
    element: usize,
    value: f32,
    body: impl FnOnce(&Model<'_>),
) {
    let bytes = file.bytes();
    let model = Model::parse(bytes).expect("a model");
    let (index, _) = (0..).zip(model.tensors()).find(|(_, entry)| entry.role == role).expect("such a vector");
    let (_, vector) = model.tensor(index);
    let offset = vector.as_ptr().addr() - bytes.as_ptr().addr() + 4 * element;
    let mut memory = vec![0; bytes.len() + 64];
    let start = memory.as_ptr().align_offset(64);
    let copy = &mut memory[start..start + bytes.len()];
    copy.copy_from_slice(bytes);
    copy[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    body(&Model::parse(copy).expect("the payload is not read"));
}
