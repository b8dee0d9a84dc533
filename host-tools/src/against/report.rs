//! What a person wants to know of a model's weights: a table by role, and what is odd

use core::fmt::{self, Display, Formatter};

use ternlet_runtime::format::Layout;

use super::matrix::MatrixStatistics;

/// A scale this many times above or below the middle one of its role is odd.
const ODD_SCALE: f32 = 16.0;
/// Parts of zeros outside of which a matrix is odd. Absmean gives a third on weights that are spread evenly or as a
/// bell.
const ODD_ZEROS: (f64, f64) = (0.05, 0.95);
/// Odd matrices that are named; the others are counted.
const MAX_NAMED: usize = 10;

/// The embedding or head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStatistics {
    /// Its name for people.
    pub name: String,
    /// How its elements are stored.
    pub layout: Layout,
    /// Rows times columns.
    pub weights: u64,
    /// Bytes in the file, row scales apart.
    pub bytes: u64,
}

/// All ternary matrices in file order, and the tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// The ternary matrices.
    pub matrices: Vec<MatrixStatistics>,
    /// The embedding and head.
    pub tables: Vec<TableStatistics>,
}

impl Statistics {
    /// A line for each thing that looks wrong with a matrix, matrices of zeros first, then scales, then trits.
    #[must_use]
    pub fn oddities(&self) -> Vec<String> {
        let (mut empty, mut odd_scale, mut odd_trits) = (Vec::new(), Vec::new(), Vec::new());
        for matrix in &self.matrices {
            let zeros = part(matrix.zeros, matrix.weights);
            let middle = self.middle_scale(matrix);
            let name = &matrix.name;
            if matrix.zeros == matrix.weights {
                empty.push(format!("{name}: nothing but zeros"));
                continue;
            }
            if zeros < ODD_ZEROS.0 || zeros > ODD_ZEROS.1 {
                odd_trits.push(format!("{name}: {:.1} % zeros", 100.0 * zeros));
            }
            if matrix.constant_rows > 0 {
                odd_trits.push(format!("{name}: {} rows of one sign and no zeros", matrix.constant_rows));
            }
            if matrix.scale > middle * ODD_SCALE || matrix.scale < middle / ODD_SCALE {
                let reciprocal =
                    if (matrix.scale > 1.0) == (middle > 1.0) { "" } else { ", as its reciprocal would be" };
                odd_scale
                    .push(format!("{name}: scale {:e} where {middle:e} is usual{reciprocal}", matrix.scale));
            }
        }
        [empty, odd_scale, odd_trits].concat()
    }

    /// The middle one of the scales of all matrices with this one's role.
    fn middle_scale(&self, matrix: &MatrixStatistics) -> f32 {
        let scales = self.matrices.iter().filter(|other| other.role == matrix.role).map(|other| other.scale);
        sorted(scales.map(f64::from)).map_or(matrix.scale, |[_, middle, _]| to_f32(middle))
    }
}

impl Display for Statistics {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Of other shapes nothing was looked at, and nothing is said.
        if self.matrices.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "{:<16}{:>9}{:>13}{:>13}   {:<24}{:<34}{:>10}",
            "",
            "matrices",
            "weights",
            "bits/weight",
            "zeros: least mean most",
            "scale: least middle most",
            "zero rows"
        )?;
        let mut roles = Vec::new();
        for matrix in &self.matrices {
            if !roles.contains(&matrix.role) {
                roles.push(matrix.role);
            }
        }
        for role in roles {
            let of_role: Vec<_> = self.matrices.iter().filter(|matrix| matrix.role == role).collect();
            line(f, role.name(), &of_role)?;
        }
        line(f, "all ternary", &self.matrices.iter().collect::<Vec<_>>())?;
        for table in &self.tables {
            let bits = bits(table.bytes, table.weights);
            writeln!(
                f,
                "{:<16}{:>9}{:>13}{bits:>13.3}   {}",
                table.name,
                1,
                table.weights,
                table.layout.name()
            )?;
        }
        let odd = self.oddities();
        if odd.is_empty() {
            return writeln!(f, "nothing odd");
        }
        for line in odd.iter().take(MAX_NAMED) {
            writeln!(f, "odd: {line}")?;
        }
        match odd.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => writeln!(f, "odd: and {more} more"),
        }
    }
}

/// One line of the table.
fn line(f: &mut Formatter<'_>, name: &str, matrices: &[&MatrixStatistics]) -> fmt::Result {
    let sum = |of: fn(&MatrixStatistics) -> u64| matrices.iter().map(|matrix| of(matrix)).sum::<u64>();
    let (weights, bytes) = (sum(|m| m.weights), sum(|m| m.bytes));
    let zeros = sorted(matrices.iter().map(|matrix| 100.0 * part(matrix.zeros, matrix.weights)));
    let scales = sorted(matrices.iter().map(|matrix| f64::from(matrix.scale)));
    let (Some([least, _, most]), Some(scales)) = (zeros, scales) else { return Ok(()) };
    let zeros = format!("{least:.1} {:.1} {most:.1} %", 100.0 * part(sum(|m| m.zeros), weights));
    let scales = scales.map(|scale| format!("{scale:.3e}")).join(" ");
    let (n, bits, zero_rows) = (matrices.len(), bits(bytes, weights), sum(|m| m.zero_rows));
    writeln!(f, "{name:<16}{n:>9}{weights:>13}{bits:>13.3}   {zeros:<24}{scales:<34}{zero_rows:>10}")
}

/// The least, middle and greatest of some numbers; none of none.
fn sorted(values: impl Iterator<Item = f64>) -> Option<[f64; 3]> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    Some([*values.first()?, values[values.len() / 2], *values.last()?])
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn part(some: u64, all: u64) -> f64 {
    some as f64 / all as f64
}

fn bits(bytes: u64, weights: u64) -> f64 {
    8.0 * part(bytes, weights)
}

#[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
const fn to_f32(value: f64) -> f32 {
    value as f32
}
