//! A model in somebody else's format, opened: weights, tokenizer, chat template
//!
//! [`ForeignModel::open`] looks at what a path holds and hands it to the importer of that kind. Everything that can be
//! known without reading weights has been checked when it returns.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::chat_template::ChatSource;
use super::gguf::{self, I2sOrder};
use super::hf_checkpoint::HfCheckpoint;
use super::tokenizer_file;
use ternlet_runtime::Tokenizer;

use crate::error::Error;
use crate::pack::Source;

/// What to do about a model that cannot be packed, where nothing more exact is known.
pub const WAY_OUT: &str = "the files are damaged, do not belong together, or are of a kind that this version does not \
                           read: fetch the model again, whole; ternlet models lists models that can be packed";

/// The file without which a folder is no checkpoint.
const CONFIG: &str = "config.json";

/// What a source may be.
const SOURCE_HINT: &str = "SOURCE is a .gguf file, a checkpoint's folder (config.json, model.safetensors, tokenizer.json), \
                           or a model on the hub: hf:org/name";

/// What the user may say beside the path.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions<'a> {
    /// What to call the model; the file's or folder's own name otherwise.
    pub name: Option<&'a str>,
    /// Whether to leave the tokenizer (and with it the chat template) unread.
    pub no_tokenizer: bool,
    /// In which order `I2_S` tensors of a GGUF keep their weights, where the user knows.
    pub i2s_order: Option<I2sOrder>,
}

/// What a foreign model is made of, ready to be packed.
#[derive(Debug)]
pub struct ForeignModel {
    /// Shape, defaults and weights.
    pub weights: Box<dyn Source>,
    /// A checked TOKENIZER section, if there is a tokenizer and it was asked for.
    pub tokenizer: Option<Vec<u8>>,
    /// The chat template and the names of tokens, if there is a tokenizer.
    pub chat: Option<ChatSource>,
    /// What the user should know although the model can be packed, a sentence each.
    pub warnings: Vec<String>,
}

impl ForeignModel {
    /// Opens the model at `path`: a GGUF file, a checkpoint's folder, or its `.safetensors` file.
    ///
    /// # Errors
    /// A path that holds no model, or one that cannot be packed right, with the reason.
    pub fn open(path: &Path, options: &ImportOptions<'_>) -> Result<Self, Error> {
        let opened = match is_gguf(path) {
            true => gguf::open(path, options),
            false => checkpoint_directory(path).and_then(|directory| open_directory(&directory, options)),
        };
        let mut model = opened.map_err(|e| e.or_hint(WAY_OUT))?;
        model.warnings.extend(model.end_of_text_warning());
        Ok(model)
    }

    /// What to do where an embedding model's tokenizer leaves out the token that the embedding is read at.
    fn end_of_text_warning(&self) -> Option<String> {
        let tokenizer = Tokenizer::parse(self.tokenizer.as_ref()?).ok()?;
        let is_left_out = self.weights.config().pooling.is_some() && tokenizer.suffix_ids().next().is_none();
        is_left_out.then(|| {
            "the tokenizer puts no token behind a text, and these models are read at one: write it there, as in \
             --text \"some words<|endoftext|>\""
                .into()
        })
    }

    /// The files that an output may not replace: what the model at `path` is read from.
    #[must_use]
    pub fn files(path: &Path) -> Vec<PathBuf> {
        if is_gguf(path) {
            return vec![path.into()];
        }
        let directory = checkpoint_directory(path);
        let entries = directory.ok().and_then(|directory| directory.read_dir().ok());
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.is_file()).collect()
    }
}

/// Whether `path` is a file that says it is a GGUF, by its name or its first bytes.
fn is_gguf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let mut starts_as_one =
        || File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"GGUF";
    path.is_file() && (path.extension().is_some_and(|e| e == "gguf") || starts_as_one())
}

/// A Hugging Face checkpoint.
fn open_directory(directory: &Path, options: &ImportOptions<'_>) -> Result<ForeignModel, Error> {
    if !directory.join(CONFIG).exists() {
        return Err(no_config(directory));
    }
    if options.i2s_order.is_some() {
        return Err(Error::new(
            "--i2s-order",
            "expected a GGUF file with I2_S tensors, found a checkpoint's folder",
        )
        .hint("leave the flag out"));
    }
    let own_name = folder_name(directory);
    let weights = HfCheckpoint::open(directory, options.name.unwrap_or(&own_name))?;
    let mut warnings = weights.warnings()?;
    let tokenizer = match options.no_tokenizer {
        true => None,
        false => tokenizer_file::read_directory(directory)
            .map_err(|e| e.or_hint("--no-tokenizer packs the weights alone, to be run on ids"))?,
    };
    if tokenizer.is_none() && !options.no_tokenizer {
        warnings.push("no tokenizer beside the weights; the file works on ids only".into());
    }
    let chat = match &tokenizer {
        Some(_) => Some(ChatSource::read_directory(directory)?),
        None => None,
    };
    Ok(ForeignModel { weights: Box::new(weights), tokenizer, chat, warnings })
}

/// The error for a folder that is no checkpoint, which may hold a GGUF file.
fn no_config(directory: &Path) -> Error {
    let paths = directory.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let gguf = paths.filter(|path| is_gguf(path)).min();
    let hint =
        gguf.map_or_else(|| SOURCE_HINT.into(), |path| format!("name the GGUF file: {}", path.display()));
    Error::new(directory.display(), format!("expected a checkpoint with its {CONFIG}, found none")).hint(hint)
}

/// The folder of the checkpoint; a weights file inside it will do as well.
fn checkpoint_directory(source: &Path) -> Result<PathBuf, Error> {
    if source.is_dir() {
        return Ok(source.into());
    }
    match source.parent() {
        Some(parent) if source.extension().is_some_and(|e| e == "safetensors") && source.exists() => {
            Ok(if parent.as_os_str().is_empty() { ".".into() } else { parent.into() })
        }
        _ => Err(Error::new(
            source.display(),
            "expected a GGUF file or the folder of a checkpoint, found neither",
        )
        .hint(SOURCE_HINT)),
    }
}

/// The last part of the folder's real path.
fn folder_name(directory: &Path) -> String {
    let path = directory.canonicalize().unwrap_or_else(|_| directory.into());
    path.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned())
}
