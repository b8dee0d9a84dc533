//! From one ternary layout to another, through rows of i2
//!
//! Lossless both ways: a layout holds trits and nothing else. A matrix is transposed in panels of 64 columns, the width
//! of an i2 block, so that beside the two packed forms there are only `64 × rows` bytes.

use std::borrow::Cow;

use ternlet_kernels::layout::{TernaryLayout, i2};
use ternlet_runtime::Ternary;
use ternlet_runtime::format::Order;

use super::layouts::Placement;

/// The rows of `w` in layout i2.
#[must_use]
pub fn i2_rows<'a>(w: &Ternary<'a>) -> Cow<'a, [u8]> {
    let Ternary { n, k, layout, order, bytes, .. } = *w;
    let row_bytes = i2::row_bytes(k);
    match order {
        Order::RowMajor if layout == TernaryLayout::I2 => Cow::Borrowed(bytes),
        Order::RowMajor => {
            let tile_rows = layout.tile_rows();
            let mut rows = vec![0; n * row_bytes];
            let mut trits = vec![0; tile_rows * k];
            let tiles = bytes.chunks_exact(layout.matrix_bytes(tile_rows, k));
            for (tile, rows) in tiles.zip(rows.chunks_mut(tile_rows * row_bytes)) {
                layout.unpack(tile, k, &mut trits);
                // The last tile has padding behind the last row.
                for (row, trits) in rows.chunks_exact_mut(row_bytes).zip(trits.chunks_exact(k)) {
                    i2::pack_row(trits, row);
                }
            }
            Cow::Owned(rows)
        }
        Order::ColumnMajor => {
            let mut rows = vec![0; n * row_bytes];
            let mut panel = vec![0; i2::BLOCK * n];
            let mut block = [0; i2::BLOCK];
            for (b, columns) in bytes.chunks(i2::BLOCK * layout.row_bytes(n)).enumerate() {
                let columns = columns.chunks_exact(layout.row_bytes(n));
                let width = columns.len();
                for (column, trits) in columns.zip(panel.chunks_exact_mut(n)) {
                    layout.unpack(column, n, trits);
                }
                for (j, row) in rows.chunks_exact_mut(row_bytes).enumerate() {
                    let trits = &mut block[..width];
                    trits.iter_mut().enumerate().for_each(|(i, trit)| *trit = panel[i * n + j]);
                    i2::pack_row(trits, &mut row[b * i2::BLOCK_BYTES..(b + 1) * i2::BLOCK_BYTES]);
                }
            }
            Cow::Owned(rows)
        }
    }
}

/// The bytes of an `[n, k]` matrix in `placement`, from its rows in layout i2.
#[must_use]
pub fn from_i2_rows<'a>(rows: Cow<'a, [u8]>, n: usize, k: usize, placement: Placement) -> Cow<'a, [u8]> {
    let Placement { layout, order } = placement;
    let row_bytes = i2::row_bytes(k);
    match order {
        Order::RowMajor if layout == TernaryLayout::I2 => rows,
        Order::RowMajor => {
            let tile_rows = layout.tile_rows();
            let mut packed = vec![0; layout.matrix_bytes(n, k)];
            let mut trits = vec![0; tile_rows * k];
            let tiles = packed.chunks_exact_mut(layout.matrix_bytes(tile_rows, k));
            for (rows, tile) in rows.chunks(tile_rows * row_bytes).zip(tiles) {
                trits.fill(0);
                for (row, trits) in rows.chunks_exact(row_bytes).zip(trits.chunks_exact_mut(k)) {
                    i2::unpack_row(row, trits);
                }
                layout.pack(&trits, k, tile);
            }
            Cow::Owned(packed)
        }
        Order::ColumnMajor => {
            let mut packed = vec![0; layout.matrix_bytes(k, n)];
            let mut panel = vec![0; i2::BLOCK * n];
            let mut block = [0; i2::BLOCK];
            for (b, columns) in packed.chunks_mut(i2::BLOCK * layout.row_bytes(n)).enumerate() {
                let columns = columns.chunks_exact_mut(layout.row_bytes(n));
                let width = columns.len();
                for (j, row) in rows.chunks_exact(row_bytes).enumerate() {
                    let trits = &mut block[..width];
                    i2::unpack_row(&row[b * i2::BLOCK_BYTES..(b + 1) * i2::BLOCK_BYTES], trits);
                    trits.iter().enumerate().for_each(|(i, trit)| panel[i * n + j] = *trit);
                }
                for (trits, column) in panel.chunks_exact(n).zip(columns) {
                    layout.pack(trits, n, column);
                }
            }
            Cow::Owned(packed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of i2 whose trits follow no short period.
    fn painted(n: usize, k: usize) -> Vec<u8> {
        let mut rows = vec![0; n * i2::row_bytes(k)];
        for (j, row) in rows.chunks_exact_mut(i2::row_bytes(k)).enumerate() {
            let trits: Vec<i8> =
                (0..k).map(|i| [0, 1, -1, 1, -1][(j * 31 + i * 7 + i / 5) % 251 % 5]).collect();
            i2::pack_row(&trits, row);
        }
        rows
    }

    #[test]
    fn every_placement_gives_the_rows_back() {
        for (n, k) in [(1, 1), (3, 64), (33, 65), (64, 80), (70, 391), (129, 200)] {
            let rows = painted(n, k);
            for layout in TernaryLayout::ALL {
                let columns = (layout != TernaryLayout::Tl1).then_some(Placement::columns(layout));
                for placement in [Some(Placement::rows(layout)), columns].into_iter().flatten() {
                    let packed = from_i2_rows(Cow::Borrowed(&rows), n, k, placement);
                    let Placement { layout, order } = placement;
                    let bytes =
                        ternlet_runtime::format::Layout::from(layout).tensor_bytes(order, n as u64, k as u64);
                    assert_eq!(bytes, Some(packed.len() as u64), "{placement}");
                    let w = Ternary { n, k, scale: 1.0, layout, order, bytes: &packed };
                    assert_eq!(i2_rows(&w), rows, "[{n}, {k}] {placement}");
                }
            }
        }
    }

    #[test]
    fn a_column_holds_the_trits_of_its_column() {
        let (n, k) = (5, 3);
        let rows = painted(n, k);
        let columns = from_i2_rows(Cow::Borrowed(&rows), n, k, Placement::columns(TernaryLayout::I2));
        let (mut column, mut row) = (vec![0; n], vec![0; k]);
        for i in 0..k {
            i2::unpack_row(&columns[i * i2::row_bytes(n)..][..i2::row_bytes(n)], &mut column);
            for (j, trit) in column.iter().enumerate() {
                i2::unpack_row(&rows[j * i2::row_bytes(k)..][..i2::row_bytes(k)], &mut row);
                assert_eq!(row[i], *trit);
            }
        }
    }
}
