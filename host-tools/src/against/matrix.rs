//! One ternary matrix: compared with its source, and counted

use ternlet_kernels::layout::i2;
use ternlet_runtime::Ternary;
use ternlet_runtime::format::{ExpectedTensor, Role, TensorEntry};

use super::Differences;
use crate::error::Error;
use crate::pack::{Source, i2_rows};

/// What a ternary matrix holds.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixStatistics {
    /// Its name for people.
    pub name: String,
    /// Its part in the model.
    pub role: Role,
    /// Rows times columns.
    pub weights: u64,
    /// Bytes in the file.
    pub bytes: u64,
    /// Trits that are 0.
    pub zeros: u64,
    /// The factor of every trit.
    pub scale: f32,
    /// Rows of nothing but zeros.
    pub zero_rows: u64,
    /// Rows of nothing but +1, or nothing but -1.
    pub constant_rows: u64,
}

/// Holds `found`, which `entry` describes, against `tensor` of `source`.
pub(super) fn compare(
    entry: &TensorEntry,
    found: &Ternary<'_>,
    source: &dyn Source,
    tensor: &ExpectedTensor,
    name: &str,
    differences: &mut Differences,
) -> Result<MatrixStatistics, Error> {
    let mut expected = source.ternary(tensor)?;
    if entry.scale.to_bits() != expected.scale().to_bits() {
        let (expected, found) = (expected.scale(), entry.scale);
        differences.add(format!("{name}: expected scale {expected:e}, found {found:e}"));
    }
    let k = usize::try_from(entry.k).expect("at most MAX_DIM");
    let mut packed = vec![0; i2::row_bytes(k)];
    let mut is_equal = true;
    let (mut minus, mut plus, mut zero_rows, mut constant_rows) = (0, 0, 0, 0);
    for (row, found) in i2_rows(found).chunks_exact(packed.len()).enumerate() {
        expected.pack_row(row, &mut packed)?;
        if is_equal && found != packed {
            is_equal = false;
            differences.add(format!("{name}: other trits in row {row}"));
        }
        let (row_minus, row_plus) = signs(found);
        zero_rows += u64::from(row_minus + row_plus == 0);
        constant_rows += u64::from(row_minus == entry.k || row_plus == entry.k);
        minus += row_minus;
        plus += row_plus;
    }
    let weights = entry.n * entry.k;
    Ok(MatrixStatistics {
        name: name.into(),
        role: entry.role,
        weights,
        bytes: entry.length,
        zeros: weights - minus - plus,
        scale: entry.scale,
        zero_rows,
        constant_rows,
    })
}

/// How many trits of a valid row are -1, and how many +1.
fn signs(row: &[u8]) -> (u64, u64) {
    let (mut minus, mut plus) = (0, 0);
    for trit in row.iter().flat_map(|&byte| i2::decode_byte(byte)) {
        minus += u64::from(trit < 0);
        plus += u64::from(trit > 0);
    }
    (minus, plus)
}
