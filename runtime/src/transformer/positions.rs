//! Cached positions as bytes: what a prefix file holds of them
//!
//! A position is, layer after layer and head after head, its key and its value: rows without their padding, in the
//! cache's own element type, little-endian.

use super::Transformer;
use crate::config::MAX_HEAD_DIM;
use crate::kv_cache::{Head, Part};

/// A row of the widest head in the widest element type.
const MAX_ROW_BYTES: usize = MAX_HEAD_DIM as usize * 4;

impl Transformer<'_> {
    /// Bytes of one position.
    pub(crate) fn position_bytes(&self) -> u64 {
        let config = self.model.config();
        let n_rows = 2 * u64::from(config.n_layers) * u64::from(config.n_kv_heads);
        n_rows * self.cache.row_bytes() as u64
    }

    /// Hands `sink` the bytes of position `pos` of `slot`, a row at a time.
    pub(crate) fn write_position<E>(
        &self,
        slot: u32,
        pos: u32,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = [0; MAX_ROW_BYTES];
        let row = &mut bytes[..self.cache.row_bytes()];
        self.rows_of(slot).try_for_each(|(head, part)| {
            self.cache.copy_row(head, pos as usize, part, row);
            sink(row)
        })
    }

    /// Fills position `pos` of `slot` with what `source` puts into each row.
    pub(crate) fn read_position<E>(
        &mut self,
        slot: u32,
        pos: u32,
        mut source: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = [0; MAX_ROW_BYTES];
        let row = &mut bytes[..self.cache.row_bytes()];
        for (head, part) in self.rows_of(slot) {
            source(row)?;
            self.cache.set_row(head, pos as usize, part, row);
        }
        Ok(())
    }

    /// Counts position `pos` of `slot`, the first that is not cached, as cached with `token_id`: its rows were read.
    pub(crate) fn push_position(&mut self, slot: u32, token_id: u32) {
        let context = self.plan.options().context as usize;
        let filled = &mut self.state.filled[slot as usize];
        self.state.cached_ids[slot as usize * context + *filled as usize] = token_id;
        *filled += 1;
    }

    /// The rows of a position in order.
    fn rows_of(&self, slot: u32) -> impl Iterator<Item = (Head, Part)> + use<> {
        let config = self.model.config();
        let (n_layers, n_kv_heads) = (config.n_layers as usize, config.n_kv_heads as usize);
        let slot = slot as usize;
        let heads = (0..n_layers)
            .flat_map(move |layer| (0..n_kv_heads).map(move |kv_head| Head { slot, layer, kv_head }));
        heads.flat_map(|head| [(head, Part::Key), (head, Part::Value)])
    }
}
