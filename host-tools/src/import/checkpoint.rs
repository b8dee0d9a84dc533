//! A safetensors checkpoint: one file or shards with an index, memory-mapped
//!
//! Knows names, shapes, dtypes and bytes, and nothing about models. The whole tensor list is checked when the
//! checkpoint is opened: after that every tensor's bytes are there.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use ternlet_runtime::ModelFile;

use super::json_fields::JsonFields;
use super::wrong_file;
use crate::error::Error;

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// The tensors of a checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    shards: Vec<ModelFile>,
    tensors: BTreeMap<String, Place>,
}

/// Where a tensor lies.
#[derive(Debug)]
struct Place {
    shard: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

/// One stored tensor, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct StoredTensor<'a> {
    /// Its name in the checkpoint.
    pub name: &'a str,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: &'a [usize],
    /// Elements, row-major, unaligned.
    pub bytes: &'a [u8],
}

impl Checkpoint {
    /// Opens the checkpoint in `directory`: `model.safetensors`, or the shards that its index lists.
    ///
    /// # Errors
    /// No such file, a file that is cut short or no safetensors, a tensor in two shards or in another than the index
    /// says.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let index = directory.join(INDEX_FILE);
        if index.exists() {
            return Self::open_sharded(directory, &index);
        }
        let single = directory.join(SINGLE_FILE);
        if !single.exists() {
            return Err(no_weights(directory));
        }
        let mut checkpoint = Self { shards: Vec::new(), tensors: BTreeMap::new() };
        checkpoint.add_shard(&single)?;
        Ok(checkpoint)
    }

    /// The tensor called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<StoredTensor<'_>> {
        let (name, place) = self.tensors.get_key_value(name)?;
        let bytes = &self.shards[place.shard].bytes()[place.start..place.end];
        Some(StoredTensor { name, dtype: place.dtype, shape: &place.shape, bytes })
    }

    /// Lets the memory go that `bytes` of the tensor called `name` take; they load again when they are read again.
    pub fn release(&self, name: &str, bytes: Range<usize>) {
        if let Some(place) = self.tensors.get(name) {
            let end = place.end.min(place.start.saturating_add(bytes.end));
            self.shards[place.shard].release(end.min(place.start + bytes.start)..end);
        }
    }

    /// All names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    fn open_sharded(directory: &Path, index: &Path) -> Result<Self, Error> {
        let fields = JsonFields::read(index)?;
        let Some(map) = fields.object("weight_map")? else {
            return Err(fields.error("weight_map", "expected an object, found no such key"));
        };
        let mut shard_of = BTreeMap::new();
        for (name, file) in map.iter() {
            let file = file.as_str().filter(|file| is_plain_file_name(file)).ok_or_else(|| {
                map.error(name, format!("expected a file name without folders, found {file}"))
            })?;
            shard_of.insert(name.as_str(), file);
        }
        let files: BTreeSet<&str> = shard_of.values().copied().collect();
        let mut checkpoint = Self { shards: Vec::new(), tensors: BTreeMap::new() };
        for &file in &files {
            checkpoint.add_shard(&directory.join(file))?;
        }
        for (name, file) in shard_of {
            let shard = checkpoint.tensors.get(name).map(|place| place.shard);
            if shard != files.iter().position(|&other| other == file) {
                return Err(Error::new(
                    index.display(),
                    format!("expected {name} in {file}, found it elsewhere or nowhere"),
                ));
            }
        }
        Ok(checkpoint)
    }

    fn add_shard(&mut self, path: &Path) -> Result<(), Error> {
        let shard = self.shards.len();
        let file = ModelFile::open(path)
            .map_err(|e| Error::new(path.display(), format!("expected a safetensors file, found: {e}")))?;
        let damaged = |found: &dyn std::fmt::Display| {
            Error::new(path.display(), format!("expected a whole safetensors file, found {found}"))
                .hint("the file is damaged or its download incomplete: fetch it again")
        };
        let (header_bytes, metadata) = SafeTensors::read_metadata(file.bytes()).map_err(|e| {
            wrong_file::refusal(path, "a safetensors file", file.bytes()).unwrap_or_else(|| damaged(&e))
        })?;
        let data_start = header_bytes + size_of::<u64>();
        for (name, info) in metadata.tensors() {
            let (start, end) = (data_start + info.data_offsets.0, data_start + info.data_offsets.1);
            if file.bytes().get(start..end).is_none() {
                return Err(damaged(&format_args!("{} bytes, too few for {name}", file.bytes().len())));
            }
            let place = Place { shard, dtype: info.dtype, shape: info.shape.clone(), start, end };
            if self.tensors.insert(name.clone(), place).is_some() {
                return Err(Error::new(
                    path.display(),
                    format!("expected {name} in one shard, found it in two"),
                ));
            }
        }
        self.shards.push(file);
        Ok(())
    }
}

impl StoredTensor<'_> {
    /// `dtype [shape]`, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{:?} {:?}", self.dtype, self.shape)
    }
}

/// The error for a folder without weights that can be read.
fn no_weights(directory: &Path) -> Error {
    let is_pickle = |name: &str| name.starts_with("pytorch_model");
    let mut entries = directory.read_dir().into_iter().flatten().flatten();
    let pickle = entries.find(|entry| entry.file_name().to_str().is_some_and(is_pickle));
    let (found, hint) = match pickle {
        Some(entry) => (
            format!("only {}", entry.file_name().display()),
            "these are Python pickles, which are programs and not read: transformers' save_pretrained writes safetensors",
        ),
        None => (
            "neither".into(),
            "SOURCE is the folder of a Hugging Face checkpoint: config.json, model.safetensors, tokenizer.json",
        ),
    };
    Error::new(directory.display(), format!("expected {SINGLE_FILE} or {INDEX_FILE}, found {found}"))
        .hint(hint)
}

/// Whether an index entry names a file beside the index, so that a checkpoint cannot reach outside its folder.
fn is_plain_file_name(file: &str) -> bool {
    let path = PathBuf::from(file);
    path.file_name().is_some_and(|name| name == path.as_os_str())
}
