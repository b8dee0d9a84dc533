//! Packed weight layouts: one file each, with the bit diagram, `pack` and `unpack`.
//!
//! A layout is a fact about bytes. It never depends on the machine that packs or runs. [`TernaryLayout`] names them
//! and asks each file; code that works on any layout needs nothing else.

pub mod i2;
pub mod i8_split;
pub mod t5;
pub mod tl1;
pub mod tl2;

/// How the trits of a matrix are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TernaryLayout {
    /// Two bits a weight in four planes: [`i2`].
    I2,
    /// Two bits a weight, pairs in tiles of 32 rows: [`tl1`].
    Tl1,
    /// Five bits for three weights: [`tl2`].
    Tl2,
    /// A byte for five weights: [`t5`].
    T5,
}

impl TernaryLayout {
    /// Every layout.
    pub const ALL: [Self; 4] = [Self::I2, Self::Tl1, Self::Tl2, Self::T5];

    /// The word people type: `i2`, `tl1`, `tl2` or `t5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I2 => "i2",
            Self::Tl1 => "tl1",
            Self::Tl2 => "tl2",
            Self::T5 => "t5",
        }
    }

    /// The inverse of [`name`](Self::name); `None` for any other word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// Rows that are stored together. A matrix may be cut between rows at its multiples only.
    #[must_use]
    pub const fn tile_rows(self) -> usize {
        match self {
            Self::Tl1 => tl1::TILE_ROWS,
            Self::I2 | Self::Tl2 | Self::T5 => 1,
        }
    }

    /// Bytes of a row of `k` weights; where rows are stored together, their share of the tile.
    #[must_use]
    pub const fn row_bytes(self, k: usize) -> usize {
        match self {
            Self::I2 => i2::row_bytes(k),
            Self::Tl1 => tl1::tile_bytes(k) / tl1::TILE_ROWS,
            Self::Tl2 => tl2::row_bytes(k),
            Self::T5 => t5::row_bytes(k),
        }
    }

    /// Bytes of `n` rows of `k` weights, whole tiles.
    #[must_use]
    pub const fn matrix_bytes(self, n: usize, k: usize) -> usize {
        n.next_multiple_of(self.tile_rows()) * self.row_bytes(k)
    }

    /// Weights of a row that are stored together: where a column-major matrix's outputs may be cut.
    #[must_use]
    pub const fn block(self) -> usize {
        match self {
            Self::I2 => i2::BLOCK,
            Self::Tl1 => tl1::BLOCK,
            Self::Tl2 => tl2::BLOCK,
            Self::T5 => t5::BLOCK,
        }
    }

    /// Packs one tile.
    ///
    /// | arg     | shape                           | meaning                |
    /// |---------|---------------------------------|------------------------|
    /// | `trits` | `[tile_rows, k]`                | each -1, 0 or +1       |
    /// | `out`   | `[tile_rows * row_bytes(k)]`    | every byte is written  |
    ///
    /// # Panics
    /// If a length is not as shown or a value is not a trit.
    pub fn pack(self, trits: &[i8], k: usize, out: &mut [u8]) {
        self.check_tile(out.len(), trits.len(), k);
        // No early exit, so that the loop vectorises.
        let all_trits = trits.iter().fold(true, |all, trit| all & (-1..=1).contains(trit));
        assert!(all_trits, "expected trits, found {:?}", trits.iter().find(|trit| !(-1..=1).contains(*trit)));
        match self {
            Self::I2 => i2::pack_row(trits, out),
            Self::Tl1 => tl1::pack_tile(trits, k, out),
            Self::Tl2 => tl2::pack_row(trits, out),
            Self::T5 => t5::pack_row(trits, out),
        }
    }

    /// Unpacks one tile; the inverse of [`pack`](Self::pack). Bytes that are never written come out as kernels read
    /// them.
    ///
    /// | arg      | shape                          | meaning                |
    /// |----------|--------------------------------|------------------------|
    /// | `packed` | `[tile_rows * row_bytes(k)]`   | packed                 |
    /// | `trits`  | `[tile_rows, k]`               | every value is written |
    ///
    /// # Panics
    /// If a length is not as shown.
    pub fn unpack(self, packed: &[u8], k: usize, trits: &mut [i8]) {
        self.check_tile(packed.len(), trits.len(), k);
        if self == Self::Tl1 {
            tl1::unpack_tile(packed, k, trits);
            return;
        }
        self.each_block(packed, k, |start, weights| {
            for (trit, weight) in trits[start..].iter_mut().zip(weights) {
                *trit = *weight;
            }
        });
    }

    /// Whether `tile` is what [`pack`](Self::pack) can write for rows of `k` weights: its length, its codes, zeros in
    /// the padding.
    #[must_use]
    pub fn is_valid(self, tile: &[u8], k: usize) -> bool {
        if tile.len() != self.tile_rows() * self.row_bytes(k) {
            return false;
        }
        match self {
            Self::I2 => i2::is_valid(tile, k),
            Self::Tl1 => tl1::is_valid(tile, k),
            Self::Tl2 => tl2::is_valid(tile, k),
            Self::T5 => t5::is_valid(tile, k),
        }
    }

    /// Calls `visit(start, weights)` for each block of a row, padding included. For layouts of single rows.
    pub(crate) fn each_block(self, row: &[u8], k: usize, mut visit: impl FnMut(usize, &[i8])) {
        debug_assert_eq!(row.len(), self.row_bytes(k));
        match self {
            Self::I2 => i2::each_block(row, 0, visit),
            Self::Tl1 => unreachable!("tl1 stores 32 rows together"),
            Self::Tl2 => {
                let (blocks, tail) = tl2::split(row, k);
                for (block, start) in blocks.iter().zip((0..).step_by(tl2::BLOCK)) {
                    visit(start, &tl2::decode_block(block));
                }
                i2::each_block(tail, blocks.len() * tl2::BLOCK, visit);
            }
            Self::T5 => {
                let (blocks, _) = row.as_chunks::<{ t5::BLOCK_BYTES }>();
                for (block, start) in blocks.iter().zip((0..).step_by(t5::BLOCK)) {
                    visit(start, &t5::decode_block(block));
                }
            }
        }
    }

    #[track_caller]
    fn check_tile(self, bytes: usize, trits: usize, k: usize) {
        assert_eq!(bytes, self.tile_rows() * self.row_bytes(k), "bytes of a tile of {self} for k = {k}");
        assert_eq!(trits, self.tile_rows() * k, "trits of a tile of {self} for k = {k}");
    }
}

impl core::fmt::Display for TernaryLayout {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use super::TernaryLayout;

    fn painted(len: usize) -> Vec<i8> {
        (0..len).map(|i| [0, 1, -1, 1, -1][(i * 7 + i / 5) % 251 % 5]).collect()
    }

    #[test]
    fn unpacking_gives_back_every_trit_and_packing_is_valid() {
        for layout in TernaryLayout::ALL {
            for k in [0, 1, 2, 3, 15, 16, 63, 64, 65, 79, 80, 81, 127, 383, 384, 385, 449, 2560] {
                let trits = painted(layout.tile_rows() * k);
                let mut packed = vec![0xff; layout.matrix_bytes(1, k)];
                layout.pack(&trits, k, &mut packed);
                assert!(layout.is_valid(&packed, k), "{layout} k = {k}");
                let mut back = vec![9; trits.len()];
                layout.unpack(&packed, k, &mut back);
                assert_eq!(back, trits, "{layout} k = {k}");
            }
        }
    }

    #[test]
    fn exactly_what_packing_writes_is_valid() {
        // One byte changed: valid if and only if unpacking and packing give the same bytes again.
        for layout in TernaryLayout::ALL {
            for k in [1, 65, 80, 390] {
                if k * layout.tile_rows() > 3000 {
                    continue;
                }
                let trits = painted(layout.tile_rows() * k);
                let mut packed = vec![0; layout.matrix_bytes(1, k)];
                layout.pack(&trits, k, &mut packed);
                let (mut back, mut again, len) = (trits.clone(), packed.clone(), packed.len());
                for at in (0..len).filter(|at| at % 5 == 0 || at + 16 >= len) {
                    let good = packed[at];
                    for byte in 0..=255 {
                        packed[at] = byte;
                        layout.unpack(&packed, k, &mut back);
                        let is_trits = back.iter().all(|trit| (-1..=1).contains(trit));
                        let is_written = is_trits && {
                            layout.pack(&back, k, &mut again);
                            again == packed
                        };
                        assert_eq!(
                            layout.is_valid(&packed, k),
                            is_written,
                            "{layout} k {k} [{at}] = {byte:#04x}"
                        );
                    }
                    packed[at] = good;
                }
                assert!(!layout.is_valid(&packed[1..], k), "{layout}");
            }
        }
    }

    #[test]
    fn rows_are_whole_vectors_and_padding_is_small_at_model_sizes() {
        for layout in TernaryLayout::ALL {
            for k in [1, 64, 80, 2560, 6912] {
                assert_eq!(layout.tile_rows() * layout.row_bytes(k) % 16, 0, "{layout} k = {k}");
            }
            assert_eq!(TernaryLayout::from_name(layout.name()), Some(layout));
        }
        let row_of_2560 = TernaryLayout::ALL.map(|layout| layout.row_bytes(2560));
        assert_eq!(row_of_2560, [640, 640, 544, 512]);
        assert_eq!(TernaryLayout::ALL.map(|layout| layout.matrix_bytes(33, 4)), [528, 64, 528, 528]);
        assert_eq!(TernaryLayout::from_name("i3"), None);
    }

    #[test]
    #[should_panic(expected = "expected trits, found Some(2)")]
    fn a_value_that_is_no_trit_is_a_bug_in_the_caller() {
        TernaryLayout::T5.pack(&[0, 2], 2, &mut [0; 16]);
    }
}
