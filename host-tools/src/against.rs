//! A packed model against the model it was packed from
//!
//! [`compare`] asks the source for everything again and holds it against the file: trits and scales bit for bit,
//! vectors and tables byte for byte (an int8 table is quantised and split anew), the configuration field by field. What it sees of
//! the ternary matrices on the way becomes the [`Statistics`] that `verify` prints.
//!
//! It shares the importers and the row layout with the packer, so it finds damage, another checkpoint and a file that
//! another version packed; that importers read a format right is shown by the golden cases.

mod config;
mod matrix;
mod report;

use ternlet_runtime::Model;
use ternlet_runtime::format::{ExpectedTensor, NO_LAYER, Role, Schedule, TableForm, TensorEntry, TensorKind};

pub use matrix::MatrixStatistics;
pub use report::{Statistics, TableStatistics};

use crate::error::Error;
use crate::pack::{Derived, I8Rows, Source};

/// Differences that are kept; the others are counted.
const MAX_NAMED: usize = 10;

/// Where a file and its source are not the same.
#[derive(Debug, Default)]
pub struct Differences {
    /// The first ones, a line each.
    pub named: Vec<String>,
    /// How many there are in all.
    pub count: usize,
}

impl Differences {
    /// Adds one.
    pub fn add(&mut self, line: String) {
        self.count += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(line);
        }
    }
}

/// Compares every tensor and field of `model` with `source`. `progress` hears tensors done.
///
/// # Errors
/// A source that cannot be read.
pub fn compare(
    model: &Model<'_>,
    source: &dyn Source,
    progress: &dyn Fn(u64),
) -> Result<(Differences, Statistics), Error> {
    let mut differences = Differences::default();
    let mut statistics = Statistics::default();
    config::compare(model.config(), source.config(), &mut differences);
    if !config::same_shape(model.config(), source.config()) {
        // Tensors of other shapes have nothing to compare.
        return Ok((differences, statistics));
    }
    let form = |role| {
        let table = model.tensors().find(|entry| entry.role == role);
        table.map_or(TableForm::Float, |entry| TableForm::of(entry.layout))
    };
    let schedule = Schedule::new(model.config(), form(Role::TokenEmbedding), form(Role::LmHead));
    let mut derived = Derived::default();
    for (index, tensor) in (0..).zip(schedule.iter()) {
        let (entry, bytes) = model.tensor(index);
        let name = tensor_name(&tensor);
        match tensor.kind {
            TensorKind::Ternary => {
                let matrix =
                    matrix::compare(&entry, &model.ternary(index), source, &tensor, &name, &mut differences)?;
                statistics.matrices.push(matrix);
            }
            TensorKind::Vector => {
                let expected = match tensor.role {
                    Role::TokenEmbeddingScale | Role::LmHeadScale => std::mem::take(&mut derived.scales),
                    Role::TokenEmbeddingBound | Role::LmHeadBound => std::mem::take(&mut derived.bounds),
                    _ => source.vector(&tensor)?,
                };
                let found = bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b));
                let unequal = found.zip(&expected).position(|(found, expected)| found != expected.to_bits());
                if let Some(element) = unequal {
                    differences.add(format!("{name}: another value at element {element}"));
                }
            }
            TensorKind::LowPlane => {
                let expected = std::mem::take(&mut derived.low);
                if bytes != expected {
                    differences.add(format!("{name}: other weights"));
                }
                // The plane before it is counted with this one's bytes.
                if let Some(table) = statistics.tables.last_mut() {
                    table.bytes += entry.length;
                }
            }
            TensorKind::Table => {
                derived = compare_table(&entry, bytes, source, &tensor, &name, &mut differences)?;
                statistics.tables.push(TableStatistics {
                    name,
                    layout: entry.layout,
                    weights: entry.n * entry.k,
                    bytes: entry.length,
                });
            }
        }
        source.release(&tensor);
        progress(u64::from(index) + 1);
    }
    Ok((differences, statistics))
}

/// Compares the embedding or head; returns what should follow it, where it is int8.
fn compare_table(
    entry: &TensorEntry,
    bytes: &[u8],
    source: &dyn Source,
    tensor: &ExpectedTensor,
    name: &str,
    differences: &mut Differences,
) -> Result<Derived, Error> {
    let stored = source.table_layout(tensor)?;
    let form = TableForm::of(entry.layout);
    if form == TableForm::Float && entry.layout != stored {
        differences.add(format!("{name}: expected {}, found {}", stored.name(), entry.layout.name()));
        return Ok(Derived::default());
    }
    let row_bytes = entry.length / entry.n;
    let mut rows = bytes.chunks_exact(usize::try_from(row_bytes).expect("within the file")).enumerate();
    let mut quantised = I8Rows::new(stored, form);
    let mut unequal = None;
    source.table_rows(tensor, &mut |expected| {
        let expected = if form == TableForm::Float { expected } else { quantised.quantise(expected) };
        match rows.next() {
            Some((row, found)) if found != expected => unequal = unequal.or(Some(row)),
            _ => {}
        }
        Ok(())
    })?;
    if let Some(row) = unequal {
        differences.add(format!("{name}: other weights in row {row}"));
    }
    Ok(quantised.into_derived())
}

/// The tensor's name for people.
fn tensor_name(tensor: &ExpectedTensor) -> String {
    match tensor.layer {
        NO_LAYER => tensor.role.name().into(),
        layer => format!("layer {layer} {}", tensor.role.name()),
    }
}
