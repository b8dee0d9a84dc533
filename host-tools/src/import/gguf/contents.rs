//! The table of contents of a file: metadata, and which tensor lies where
//!
//! Layout: magic, version, counts, key-value pairs, tensor entries, then tensor data from the next multiple of the
//! alignment on. Types are not looked at here: what an id means depends on who wrote the file (see `tensor_type`).

use std::collections::{BTreeMap, BTreeSet};

use super::fields::Fields;
use super::reader::Reader;
use super::value::Value;
use crate::error::Error;

const MAGIC: [u8; 4] = *b"GGUF";
/// Where tensors start, unless the file says otherwise.
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;
const MAX_DIMS: u32 = 4;
/// Bytes of the smallest key-value pair: an empty key, a type, one byte.
const MIN_PAIR_BYTES: u64 = 13;
/// Bytes of the smallest tensor entry: an empty name, no dimensions, a type, an offset.
const MIN_ENTRY_BYTES: u64 = 24;

/// What a file says it holds.
#[derive(Debug, Clone)]
pub struct Contents<'a> {
    /// Metadata.
    pub fields: Fields<'a>,
    /// Tensors in the order of their data.
    pub tensors: Vec<TensorEntry<'a>>,
    /// Tensors start at multiples of this.
    pub alignment: u64,
}

/// One tensor as the file lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorEntry<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type's id, as the file's author understood it.
    pub type_id: u32,
    /// Elements along each dimension, innermost first, ones beyond the last.
    pub dims: [u64; MAX_DIMS as usize],
    /// First byte in the file.
    pub start: u64,
    /// First byte that cannot be the tensor's: where the next tensor starts, or the end of the file.
    pub limit: u64,
}

impl TensorEntry<'_> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.dims.iter().product()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads the contents of the GGUF file `bytes`, trusting nothing in it.
///
/// # Errors
/// Bytes that are no GGUF file of version 2 or 3, in words.
pub fn parse(bytes: &[u8]) -> Result<Contents<'_>, Error> {
    let mut reader = Reader::new(bytes);
    if bytes.first_chunk() != Some(&MAGIC) {
        return Err(Error::new("header", "expected the magic GGUF at the start, found something else")
            .hint("the file is no GGUF, or its download failed"));
    }
    reader.take(MAGIC.len() as u64, "header")?;
    check_version(reader.u32("header")?)?;
    let n_tensors = reader.count(MIN_ENTRY_BYTES, "tensor count")?;
    let n_pairs = reader.count(MIN_PAIR_BYTES, "metadata count")?;

    let mut values = BTreeMap::new();
    for _ in 0..n_pairs {
        let key = name(reader.string("metadata key")?, "metadata key")?;
        let value = Value::read(&mut reader, key)?;
        if values.insert(key, value).is_some() {
            return Err(Error::new(key, "expected each key once, found this one twice"));
        }
    }
    let fields = Fields::new(values);
    let alignment = alignment(&fields)?;

    let mut names = BTreeSet::new();
    let mut tensors = Vec::new();
    for _ in 0..n_tensors {
        let tensor = read_entry(&mut reader)?;
        if !names.insert(tensor.name) {
            return Err(Error::new(tensor.name, "expected each tensor once, found this one twice"));
        }
        tensors.push(tensor);
    }
    let data_start = (reader.position() as u64).next_multiple_of(alignment);
    place(&mut tensors, data_start, alignment, bytes.len() as u64)?;
    Ok(Contents { fields, tensors, alignment })
}

fn check_version(version: u32) -> Result<(), Error> {
    match version {
        2 | 3 => Ok(()),
        1 => Err(Error::new("header", "expected version 2 or 3, found 1").hint(
            "files of version 1 have not been written since 2023: convert the original checkpoint again",
        )),
        // The lowest byte of a small number comes first in little-endian files and last in big-endian ones.
        other if other.swap_bytes() <= 3 => {
            Err(Error::new("header", "expected a little-endian file, found a big-endian one")
                .hint("convert it with gguf-py's gguf_convert_endian.py, or fetch the little-endian file"))
        }
        other => Err(Error::new("header", format!("expected version 2 or 3, found {other}"))
            .hint("the file is damaged, or of a later version of the format")),
    }
}

fn alignment(fields: &Fields<'_>) -> Result<u64, Error> {
    const KEY: &str = "general.alignment";
    let alignment = fields.u32(KEY)?.map_or(DEFAULT_ALIGNMENT, u64::from);
    if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT {
        return Ok(alignment);
    }
    Err(Error::new(KEY, format!("expected a power of two up to {MAX_ALIGNMENT}, found {alignment}")))
}

/// Reads a tensor's entry; `start` is still relative to the data.
fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<TensorEntry<'a>, Error> {
    let name = name(reader.string("tensor name")?, "tensor name")?;
    let n_dims = reader.u32(name)?;
    if n_dims > MAX_DIMS {
        return Err(Error::new(name, format!("expected at most {MAX_DIMS} dimensions, found {n_dims}")));
    }
    let mut dims = [1; MAX_DIMS as usize];
    for dim in dims.iter_mut().take(n_dims as usize) {
        *dim = reader.u64(name)?;
    }
    let n_elements = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim));
    if dims.contains(&0) || n_elements.is_none_or(|n| n > i64::MAX as u64) {
        return Err(Error::new(
            name,
            format!("expected dimensions above 0 and within reason, found {dims:?}"),
        ));
    }
    let type_id = reader.u32(name)?;
    let start = reader.u64(name)?;
    Ok(TensorEntry { name, type_id, dims, start, limit: 0 })
}

/// Sorts tensors by their data and finds the room that each has.
fn place(
    tensors: &mut [TensorEntry<'_>],
    data_start: u64,
    alignment: u64,
    file_bytes: u64,
) -> Result<(), Error> {
    for tensor in &mut *tensors {
        let offset = tensor.start;
        if !offset.is_multiple_of(alignment) {
            let problem = format!("expected an offset that is a multiple of {alignment}, found {offset}");
            return Err(Error::new(tensor.name, problem));
        }
        match data_start.checked_add(offset) {
            Some(start) if start < file_bytes => tensor.start = start,
            _ => {
                return Err(Error::new(
                    tensor.name,
                    format!("expected data within the file's {file_bytes} bytes, found offset {offset}"),
                )
                .hint("the file is damaged or its download incomplete: fetch it again"));
            }
        }
    }
    tensors.sort_by_key(|tensor| tensor.start);
    let mut limit = file_bytes;
    for tensor in tensors.iter_mut().rev() {
        if tensor.start == limit {
            return Err(Error::new(
                tensor.name,
                "expected data of its own, found another tensor at the same offset",
            ));
        }
        tensor.limit = limit;
        limit = tensor.start;
    }
    Ok(())
}

/// A name: UTF-8 and without control characters, as it may be printed.
fn name<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Error> {
    match str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => {
            let found = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]);
            Err(Error::new(what, format!("expected printable UTF-8, found {found:?}")))
        }
    }
}
