//! A session's first positions to a byte stream and back
//!
//! Prefill once, use again: on the next run, on another machine, with other kernels, threads or batches. What is
//! restored has the bits of what was computed. `format::prefix` has the layout.

use core::convert::Infallible;

use embedded_io::{Read, ReadExactError, Write};

use super::Session;
use crate::format::{ChainedChecksum, PREFIX_HEADER_BYTES, PrefixError, PrefixHeader};
use crate::plan::KvType;

/// What [`Session::restore_prefix`] found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Positions restored.
    pub n_restored: u32,
    /// Positions that the file holds.
    pub n_held: u32,
}

impl Session<'_> {
    /// Writes what slot 0 holds as a prefix file, front to back; returns its length in bytes.
    ///
    /// # Errors
    /// The stream's own.
    pub fn save_prefix<W: Write>(&self, to: &mut W) -> Result<u64, W::Error> {
        let ids = self.cached_ids();
        let header = PrefixHeader { n_ids: self.n_cached(), ..self.prefix_header() };
        let bytes = header.encode();
        to.write_all(&bytes)?;
        let mut chain = ChainedChecksum::new(sum_at_end(&bytes));
        for id in ids {
            write(to, &mut chain, &id.to_le_bytes())?;
        }
        to.write_all(&chain.end_part().to_le_bytes())?;
        self.save_positions(&mut chain, to)?;
        to.flush()?;
        Ok(header.file_bytes())
    }

    /// Reads a prefix file up to where its ids stop being those of `ids`, and replaces slot 0 by these positions.
    ///
    /// At most as many as the context holds are restored. There are no logits behind them: append at least one id before
    /// [`sample`](Self::sample).
    ///
    /// # Errors
    /// [`PrefixError`]. P1 to P12 in header and ids leave slot 0 as it was; P1, P13 and read errors in the rows leave it
    /// empty.
    pub fn restore_prefix<R: Read>(
        &mut self,
        from: &mut R,
        ids: &[u32],
    ) -> Result<Restored, PrefixError<R::Error>> {
        let mut bytes = [0; PREFIX_HEADER_BYTES];
        read(from, &mut bytes)?;
        let (n_held, sum) = self.prefix_header().check(&bytes)?;
        let mut chain = ChainedChecksum::new(sum);
        let vocab_size = self.model().config().vocab_size;
        let mut n_equal = 0;
        for i in 0..n_held as usize {
            let mut id = [0; 4];
            read(from, &mut id)?;
            chain.update(&id);
            let id = u32::from_le_bytes(id);
            n_equal += usize::from(n_equal == i && ids.get(i) == Some(&id) && id < vocab_size);
        }
        let expected = read_sum(from)?;
        let found = chain.end_part();
        if found != expected {
            return Err(PrefixError::IdsChecksum { expected, found });
        }
        let n = n_equal.min(self.plan().options().context as usize);
        self.restore_positions(&mut chain, from, &ids[..n])?;
        // `n` is at most the context, a u32.
        Ok(Restored { n_restored: u32::try_from(n).unwrap_or(u32::MAX), n_held })
    }

    /// Replaces slot 0 by the system message of the model file, if `ids` starts with it and goes on, and the cache is of
    /// its type; returns the number of positions restored.
    ///
    /// # Errors
    /// [`PrefixError`] if the stored rows are damaged; slot 0 is empty then.
    pub fn restore_system(&mut self, ids: &[u32]) -> Result<u32, PrefixError<Infallible>> {
        let options = self.plan().options();
        let Some(system) = self.model().system().filter(|_| options.kv == KvType::F16) else { return Ok(0) };
        let is_start = ids.len() > system.ids.len() && ids.starts_with(system.ids);
        if !is_start || system.ids.len() > options.context as usize {
            return Ok(0);
        }
        let mut chain = ChainedChecksum::new(system.sum);
        let mut positions = system.positions;
        self.restore_positions(&mut chain, &mut positions, system.ids)?;
        Ok(self.n_cached())
    }

    /// Writes the rows of a system message whose ids slot 0 holds, as they stand in a model file; `sum` is the checksum of
    /// text and ids.
    ///
    /// # Errors
    /// The stream's own.
    pub fn save_system<W: Write>(&self, sum: u64, to: &mut W) -> Result<(), W::Error> {
        self.save_positions(&mut ChainedChecksum::new(sum), to)
    }

    /// Writes the rows of all positions, each followed by its checksum.
    pub(super) fn save_positions<W: Write>(
        &self,
        chain: &mut ChainedChecksum,
        to: &mut W,
    ) -> Result<(), W::Error> {
        for pos in 0..self.n_cached() {
            self.transformer.write_position(0, pos, |row| write(to, chain, row))?;
            to.write_all(&chain.end_part().to_le_bytes())?;
        }
        Ok(())
    }

    /// Replaces slot 0 by the positions of `ids`; leaves it empty on an error.
    pub(super) fn restore_positions<R: Read>(
        &mut self,
        chain: &mut ChainedChecksum,
        from: &mut R,
        ids: &[u32],
    ) -> Result<(), PrefixError<R::Error>> {
        self.truncate(0);
        let transformer = self.transformer();
        for (pos, &id) in (0..).zip(ids) {
            let read_row = |row: &mut [u8]| {
                read(from, row)?;
                chain.update(row);
                Ok(())
            };
            let restored = transformer.read_position(0, pos, read_row).and_then(|()| {
                let expected = read_sum(from)?;
                match chain.end_part() {
                    found if found == expected => Ok(()),
                    found => Err(PrefixError::RowsChecksum { pos, expected, found }),
                }
            });
            if let Err(e) = restored {
                transformer.truncate(0, 0);
                return Err(e);
            }
            transformer.push_position(0, id);
        }
        Ok(())
    }

    /// What a prefix of this session says of itself, without positions.
    fn prefix_header(&self) -> PrefixHeader {
        let config = self.model().config();
        PrefixHeader {
            model: self.model().file_id(),
            kv: self.plan().options().kv,
            shape: [config.n_layers, config.n_kv_heads, config.head_dim],
            position_bytes: self.transformer.position_bytes(),
            n_ids: 0,
        }
    }
}

/// Writes a piece of the part at hand.
fn write<W: Write>(to: &mut W, chain: &mut ChainedChecksum, bytes: &[u8]) -> Result<(), W::Error> {
    chain.update(bytes);
    to.write_all(bytes)
}

/// Fills `bytes`.
fn read<R: Read>(from: &mut R, bytes: &mut [u8]) -> Result<(), PrefixError<R::Error>> {
    from.read_exact(bytes).map_err(|e| match e {
        ReadExactError::UnexpectedEof => PrefixError::Truncated,
        ReadExactError::Other(e) => PrefixError::Read(e),
    })
}

fn read_sum<R: Read>(from: &mut R) -> Result<u64, PrefixError<R::Error>> {
    let mut sum = [0; 8];
    read(from, &mut sum)?;
    Ok(u64::from_le_bytes(sum))
}

/// The checksum in a header's last eight bytes.
fn sum_at_end(header: &[u8; PREFIX_HEADER_BYTES]) -> u64 {
    let mut sum = [0; 8];
    sum.copy_from_slice(&header[PREFIX_HEADER_BYTES - 8..]);
    u64::from_le_bytes(sum)
}
