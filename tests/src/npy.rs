//! Reading `.npy` arrays: version 1.0, little-endian f32, C order
//!
//! The layout is the one that `numpy.lib.format` describes. Anything else that a `.npy` file may hold is refused.

use std::path::Path;

/// An f32 array with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray {
    /// Length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// The elements in C order.
    pub values: Vec<f32>,
}

impl NpyArray {
    /// Reads the array at `path`.
    ///
    /// # Panics
    /// If the file is missing or holds anything but such an array; the message names the file.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let file = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self::parse(&file).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
    }

    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// What was expected and not found.
    pub fn parse(file: &[u8]) -> Result<Self, &'static str> {
        let rest = file.strip_prefix(b"\x93NUMPY\x01\x00").ok_or("expected the magic of npy 1.0")?;
        let (header_len, rest) = rest.split_first_chunk().ok_or("expected a header length")?;
        let (header, data) =
            rest.split_at_checked(u16::from_le_bytes(*header_len).into()).ok_or("expected a whole header")?;
        let header = str::from_utf8(header).map_err(|_| "expected a header in ASCII")?;
        if !header.contains("'descr': '<f4'") || !header.contains("'fortran_order': False") {
            return Err("expected little-endian f32 in C order");
        }
        let (_, shape) = header.split_once("'shape': (").ok_or("expected a shape")?;
        let (shape, _) = shape.split_once(')').ok_or("expected the end of the shape")?;
        let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
        let shape: Vec<usize> = lengths
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| "expected whole numbers in the shape")?;
        let (words, tail) = data.as_chunks();
        if words.len() != shape.iter().product::<usize>() || !tail.is_empty() {
            return Err("expected as many elements as the shape says");
        }
        Ok(Self { shape, values: words.iter().copied().map(f32::from_le_bytes).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, n_elements: u8) -> Vec<u8> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        file.extend(header.as_bytes());
        (0..n_elements).for_each(|i| file.extend(f32::from(i).to_le_bytes()));
        file
    }

    #[test]
    fn shapes_of_one_and_two_dimensions_parse() {
        let array =
            NpyArray::parse(&file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } \n", 6));
        assert_eq!(array, Ok(NpyArray { shape: vec![2, 3], values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0] }));
        let array = NpyArray::parse(&file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 1));
        assert_eq!(array, Ok(NpyArray { shape: vec![1], values: vec![0.0] }));
    }

    #[test]
    fn other_arrays_are_refused() {
        let f4 = |shape| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        assert!(NpyArray::parse(b"").is_err());
        assert!(NpyArray::parse(&file(&f4("(2, 3)"), 5)).is_err());
        assert!(NpyArray::parse(&file(&f4("(2, x)"), 6)).is_err());
        assert!(
            NpyArray::parse(&file("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 2)).is_err()
        );
        let file = file(&f4("(1,)"), 1);
        for len in 0..file.len() {
            assert!(NpyArray::parse(&file[..len]).is_err(), "cut at {len}");
        }
    }
}
