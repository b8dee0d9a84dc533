//! Writing `.npy` arrays, version 1.0, little-endian f32, C order

use std::io::{self, Write};

/// A file being written row by row.
#[derive(Debug)]
pub(crate) struct NpyWriter<W> {
    inner: W,
    left: usize,
}

impl<W: Write> NpyWriter<W> {
    /// Writes the header of an array of `shape`.
    pub(crate) fn new(mut inner: W, shape: &[usize]) -> io::Result<Self> {
        let dims: Vec<String> = shape.iter().map(|n| format!("{n},")).collect();
        let mut header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", dims.join(" "));
        // Magic, version and length take 10 bytes; the header ends in a newline at a multiple of 64.
        let total = (10 + header.len() + 1).next_multiple_of(64);
        header.extend(std::iter::repeat_n(' ', total - 10 - header.len() - 1));
        header.push('\n');
        let len = u16::try_from(header.len()).map_err(io::Error::other)?;
        inner.write_all(b"\x93NUMPY\x01\x00")?;
        inner.write_all(&len.to_le_bytes())?;
        inner.write_all(header.as_bytes())?;
        Ok(Self { inner, left: shape.iter().product() })
    }

    /// Appends elements.
    pub(crate) fn write(&mut self, values: &[f32]) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(values.len())
            .ok_or_else(|| io::Error::other("more elements than the array's shape"))?;
        for chunk in values.chunks(16_384) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|v| v.to_le_bytes()).collect();
            self.inner.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Flushes; every element must have been written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.left != 0 {
            return Err(io::Error::other(format!("{} elements of the array are missing", self.left)));
        }
        self.inner.flush()
    }
}
