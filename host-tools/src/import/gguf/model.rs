//! A GGUF file as a source for the packer
//!
//! Opening maps roles to names and checks every shape and type before a byte is written, and accounts for every tensor
//! of the file: one that nothing reads means that the model computes something we would leave out.

use core::fmt::Debug;
use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ternlet_runtime::format::{ExpectedTensor, Layout, Role, Schedule, TensorKind};
use ternlet_runtime::{Config, ModelFile};

use super::blocks::FloatBlocks;
use super::config::{Architecture, Shape};
use super::contents::{Contents, parse};
use super::i2s_order::{self, FeedForward, I2sOrder};
use super::names::tensor_stem;
use super::tensor_type::TensorType;
use super::ternary::{Form, RowOrder, Rows, TernaryBlocks, TernaryMatrix};
use super::tokenizer;
use crate::error::Error;
use crate::import::chat_template::ChatSource;
use crate::import::foreign_model::{ForeignModel, ImportOptions};
use crate::import::wrong_file;
use crate::pack::{RopeScaling, Source, TernaryRows, rope_inv_freq};

/// Factors that divide the rotary frequencies one by one (Llama 3.1's scaling).
const ROPE_FACTORS: &str = "rope_freqs.weight";
const TOKEN_EMBEDDING: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";
/// Bytes of a table after which those read so far are let go.
const RELEASE_BYTES: usize = 16 << 20;

/// What holds the bytes of a file.
pub trait FileBytes: AsRef<[u8]> + Debug + Sync {
    /// Lets the memory go that a part takes; it loads again when it is read again.
    fn release(&self, part: Range<usize>) {
        let _ = part;
    }
}

impl FileBytes for Vec<u8> {}
impl FileBytes for &[u8] {}
impl FileBytes for ModelFile {
    fn release(&self, part: Range<usize>) {
        Self::release(self, part);
    }
}

/// A checked file, over whatever holds its bytes.
#[derive(Debug)]
pub struct Gguf<B> {
    file: B,
    shape: Shape,
    tensors: BTreeMap<String, Stored>,
    i2s_order: I2sOrder,
    warnings: Vec<String>,
}

/// Where a tensor lies and what it is.
#[derive(Debug, Clone, Copy)]
struct Stored {
    kind: TensorType,
    /// Elements along each dimension, innermost first.
    dims: [u64; 4],
    start: usize,
    end: usize,
}

/// Opens the model in the file at `path`.
///
/// # Errors
/// Everything that can be known without reading weights: metadata, missing or left-over tensors, shapes, types.
pub fn open(path: &Path, options: &ImportOptions<'_>) -> Result<ForeignModel, Error> {
    let named = |e: Error| e.during(&path.display().to_string());
    let file = ModelFile::open(path)
        .map_err(|e| Error::new(path.display(), format!("expected a GGUF file, found: {e}")))?;
    let stem = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
    if let Some(refusal) = wrong_file::refusal(path, "a GGUF file", file.bytes()) {
        return Err(refusal);
    }
    let gguf = Gguf::read(file, &stem, options).map_err(named)?;
    let (tokenizer, chat) = match options.no_tokenizer {
        true => (None, None),
        false => gguf
            .tokenizer()
            .map_err(|e| named(e).or_hint("--no-tokenizer packs the weights alone, to be run on ids"))?,
    };
    let mut warnings = gguf.warnings().to_vec();
    if tokenizer.is_none() && !options.no_tokenizer {
        warnings.push("no tokenizer in the file; what is packed works on ids only".into());
    }
    Ok(ForeignModel { weights: Box::new(gguf), tokenizer, chat, warnings })
}

/// The tensors by name, each of a type that can be read.
fn stored(contents: &Contents<'_>) -> Result<BTreeMap<String, Stored>, Error> {
    let mut tensors = BTreeMap::new();
    for entry in &contents.tensors {
        let (kind, bytes) = TensorType::of(entry, contents.alignment)?;
        let index = |at: u64| usize::try_from(at).expect("within a file that is mapped");
        let (start, end) = (index(entry.start), index(entry.start + bytes));
        tensors.insert(entry.name.to_owned(), Stored { kind, dims: entry.dims, start, end });
    }
    Ok(tensors)
}

impl<B: FileBytes> Gguf<B> {
    /// Reads and checks all but the weights of the file whose bytes are `file`. A model that neither the options nor
    /// the file name is called `stem`.
    ///
    /// # Errors
    /// As [`open`].
    pub fn read(file: B, stem: &str, options: &ImportOptions<'_>) -> Result<Self, Error> {
        let contents = parse(file.as_ref())?;
        let own_name = match contents.fields.text("general.name") {
            Ok(Some(name)) if !name.trim().is_empty() => name.trim(),
            _ => stem,
        };
        let shape = Shape::read(&contents.fields, options.name.unwrap_or(own_name))?;
        let tensors = stored(&contents)?;
        let warnings = shape.warning(&contents.fields).into_iter().collect();
        let i2s_order = I2sOrder::default();
        let mut gguf = Self { shape, tensors, i2s_order, warnings, file }.checked()?;
        gguf.choose_i2s_order(options.i2s_order)?;
        Ok(gguf)
    }

    /// The TOKENIZER section and the chat template that the metadata holds.
    ///
    /// # Errors
    /// A tokenizer that this version does not have, or a damaged one.
    pub fn tokenizer(&self) -> Result<(Option<Vec<u8>>, Option<ChatSource>), Error> {
        let fields = parse(self.file.as_ref())?.fields;
        let Some(vocabulary) = tokenizer::read(&fields)? else { return Ok((None, None)) };
        let section = vocabulary.section().map_err(|problem| Error::new("tokenizer.ggml", problem))?;
        Ok((Some(section), Some(tokenizer::chat(&fields)?)))
    }

    /// What the user should know although the file can be read.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The bytes of a tensor.
    fn bytes(&self, stored: &Stored) -> &[u8] {
        &self.file.as_ref()[stored.start..stored.end]
    }

    /// Takes from the tensors what metadata does not say, then checks them all.
    fn checked(mut self) -> Result<Self, Error> {
        let embedding = self.tensor(TOKEN_EMBEDDING)?;
        self.shape.config.vocab_size = u32::try_from(embedding.dims[1]).map_err(|_| {
            Error::new(TOKEN_EMBEDDING, format!("expected fewer rows than {}", embedding.dims[1]))
        })?;
        self.shape.config.tied_embedding = match self.tensors.get(OUTPUT) {
            None => true,
            // Some files write the tied head as well.
            Some(output) => {
                output.kind == embedding.kind
                    && output.dims == embedding.dims
                    && self.bytes(output) == self.bytes(&embedding)
            }
        };
        self.shape.config.check().map_err(|e| {
            Error::new("metadata", e)
                .hint("the metadata is damaged or beyond this version's limits (runtime/FORMAT.md)")
        })?;
        let mut used = BTreeSet::from([OUTPUT.to_owned()]);
        for tensor in self.schedule().iter() {
            self.check(&tensor, &mut used)?;
        }
        if self.tensors.contains_key(ROPE_FACTORS) {
            used.insert(ROPE_FACTORS.into());
            self.rope_factors()?;
        }
        self.warnings.extend(self.unpacked_tables());
        match self.tensors.keys().find(|name| !used.contains(*name)) {
            None => Ok(self),
            Some(name) => {
                Err(Error::new(name, "expected no tensor beyond the architecture's, found this one")
                    .hint("the model computes something that this version would leave out"))
            }
        }
    }

    /// A warning for each table that a model file holds at a multiple of its size.
    fn unpacked_tables(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for name in [TOKEN_EMBEDDING, OUTPUT] {
            let Some(stored) = self.tensors.get(name) else { continue };
            let TensorType::Floats(float) = stored.kind else { continue };
            if !float.is_plain() {
                let (is, was) = (4 * stored.dims[0] * stored.dims[1], stored.end - stored.start);
                warnings.push(format!(
                    "{name} is {} and becomes f32, which holds its values exactly: {} MB instead of {}; --head int8 \
                     makes a head, or an embedding that is one, a quarter of that",
                    float.name(),
                    is / 1_000_000,
                    was / 1_000_000
                ));
            }
        }
        warnings
    }

    fn schedule(&self) -> Schedule {
        Schedule::of_floats(&self.shape.config)
    }

    fn tensor(&self, name: &str) -> Result<Stored, Error> {
        self.tensors.get(name).copied().ok_or_else(|| {
            Error::new(name, "expected such a tensor, found none").hint("is the file a whole model?")
        })
    }

    /// Finds the stored tensor and checks its shape and type.
    fn check(&self, tensor: &ExpectedTensor, used: &mut BTreeSet<String>) -> Result<(), Error> {
        let Some(stem) = tensor_stem(tensor) else { return Ok(()) };
        let name = format!("{stem}.weight");
        let stored = self.tensor(&name)?;
        used.insert(name.clone());
        let expected = match tensor.kind {
            TensorKind::Vector => [tensor.k, 1, 1, 1],
            _ => [tensor.k, tensor.n, 1, 1],
        };
        if stored.dims != expected {
            return Err(Error::new(
                name,
                format!("expected dimensions {expected:?}, found {:?}", stored.dims),
            )
            .hint(
                "the metadata and the tensors disagree: the file is damaged, or of another kind of model",
            ));
        }
        let found = stored.kind.name();
        match (tensor.kind, stored.kind) {
            (TensorKind::Vector, TensorType::Floats(float)) if float.is_plain() => {}
            (TensorKind::Vector, _) => {
                return Err(Error::new(name, format!("expected F32, F16 or BF16, found {found}")));
            }
            (TensorKind::Table, TensorType::Ternary(_)) => {
                return Err(Error::new(name, format!("expected weights that are floats, found {found}")).hint(
                    "a ternary embedding or head is another kind of model, which this version does not run",
                ));
            }
            (TensorKind::Table | TensorKind::LowPlane | TensorKind::Ternary, _) => {}
        }
        if tensor.kind == TensorKind::Ternary {
            self.extra_scale(&stem)?;
            used.insert(format!("{stem}.scale"));
        }
        Ok(())
    }

    /// Settles the order of `I2_S` weights, which `said` may name.
    fn choose_i2s_order(&mut self, said: Option<I2sOrder>) -> Result<(), Error> {
        /// Blocks that are looked at: enough to be sure, few enough to be quick.
        const MAX_BLOCKS: u32 = 2;
        let is_i2s = |name: &str| {
            let kind = self.tensors.get(name).map(|stored| stored.kind);
            kind == Some(TensorType::Ternary(TernaryBlocks::I2S))
        };
        let i2s = self.schedule().iter().filter(|tensor| is_i2s(&weight_name(tensor))).collect::<Vec<_>>();
        if i2s.is_empty() {
            return match said {
                None => Ok(()),
                Some(_) => Err(Error::new("--i2s-order", "expected I2_S tensors in the file, found none")
                    .hint("leave the flag out")),
            };
        }
        let n_layers = self.shape.config.n_layers;
        let layers = (0..n_layers.min(MAX_BLOCKS)).map(|i| i * n_layers / n_layers.min(MAX_BLOCKS));
        let blocks: Vec<FeedForward<'_>> =
            layers.filter_map(|layer| self.feed_forward(layer, &i2s)).collect();
        let (order, warning) = i2s_order::choose(said, &blocks);
        for tensor in &i2s {
            let (n, k) = shape(tensor);
            if !order.fits(n, k) {
                let problem = format!("expected {order} in I2_S to fit, found {n} rows of {k} weights");
                return Err(Error::new(weight_name(tensor), problem));
            }
        }
        self.i2s_order = order;
        self.warnings.extend(warning);
        Ok(())
    }

    /// The feed-forward block of `layer`, if its matrices are among those `of` one type.
    fn feed_forward(&self, layer: u32, of: &[ExpectedTensor]) -> Option<FeedForward<'_>> {
        let matrix = |role| {
            let tensor = of.iter().find(|tensor| tensor.role == role && u32::from(tensor.layer) == layer)?;
            self.matrix(tensor).ok()
        };
        let into = [matrix(Role::WGate)?, matrix(Role::WUp)?];
        Some(FeedForward { into, out_of: matrix(Role::WDown)?, dim: self.shape.config.dim as usize })
    }

    /// The stored matrix that stands for `tensor`.
    fn matrix(&self, tensor: &ExpectedTensor) -> Result<TernaryMatrix<'_>, Error> {
        let name = weight_name(tensor);
        let stored = self.tensor(&name)?;
        let form = match stored.kind {
            TensorType::Floats(float) => Form::Floats(float),
            TensorType::Ternary(TernaryBlocks::Tq1_0) => Form::Tq1_0,
            TensorType::Ternary(TernaryBlocks::Tq2_0) => Form::Tq2_0,
            TensorType::Ternary(TernaryBlocks::I2S) => Form::I2S(self.i2s_order),
        };
        Ok(TernaryMatrix { name, form, k: shape(tensor).1, bytes: self.bytes(&stored) })
    }

    /// The factor of a whole matrix that some converters keep beside it; 1 where there is none.
    fn extra_scale(&self, stem: &str) -> Result<f32, Error> {
        let name = format!("{stem}.scale");
        if !self.tensors.contains_key(&name) {
            return Ok(1.0);
        }
        match self.floats(&name)?[..] {
            [scale] if scale.is_finite() && scale > 0.0 => Ok(scale),
            ref found => Err(Error::new(name, format!("expected one finite scale above 0, found {found:?}"))),
        }
    }

    /// What each rotary frequency is divided by.
    fn rope_factors(&self) -> Result<Vec<f32>, Error> {
        let n = self.shape.config.head_dim as usize / 2;
        if !self.tensors.contains_key(ROPE_FACTORS) {
            return Ok(vec![1.0; n]);
        }
        let factors = self.floats(ROPE_FACTORS)?;
        if factors.len() == n && factors.iter().all(|factor| factor.is_finite() && *factor > 0.0) {
            return Ok(factors);
        }
        let problem = format!("expected {n} finite factors above 0, found {} values", factors.len());
        Err(Error::new(ROPE_FACTORS, problem))
    }

    /// All values of the tensor called `name`.
    fn floats(&self, name: &str) -> Result<Vec<f32>, Error> {
        let stored = self.tensor(name)?;
        let TensorType::Floats(float) = stored.kind else {
            return Err(Error::new(name, "expected floats, found trits"));
        };
        let mut values = Vec::new();
        float.widen(self.bytes(&stored), &mut values);
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(at) => {
                Err(Error::new(name, format!("expected finite values, found {} at element {at}", values[at])))
            }
        }
    }

    /// The embedding or head that stands for `tensor`: its name, place and type.
    fn table(&self, tensor: &ExpectedTensor) -> Result<(String, Stored, FloatBlocks), Error> {
        let name = weight_name(tensor);
        let stored = self.tensor(&name)?;
        match stored.kind {
            TensorType::Floats(float) => Ok((name, stored, float)),
            TensorType::Ternary(_) => Err(Error::new(name, "expected floats, found trits")),
        }
    }
}

impl<B: FileBytes> Source for Gguf<B> {
    fn config(&self) -> &Config {
        &self.shape.config
    }

    fn table_layout(&self, tensor: &ExpectedTensor) -> Result<Layout, Error> {
        Ok(match self.table(tensor)?.2 {
            FloatBlocks::F16 => Layout::F16,
            FloatBlocks::Bf16 => Layout::Bf16,
            _ => Layout::F32,
        })
    }

    fn ternary(&self, tensor: &ExpectedTensor) -> Result<Box<dyn TernaryRows + '_>, Error> {
        let matrix = self.matrix(tensor)?;
        let order = match (self.shape.architecture, tensor.role) {
            (Architecture::Llama, Role::Wq | Role::Wk) => {
                RowOrder::AdjacentPairs(self.shape.config.head_dim as usize)
            }
            _ => RowOrder::AsStored,
        };
        let extra_scale = self.extra_scale(matrix.name.trim_end_matches(".weight"))?;
        Ok(Box::new(Rows::new(matrix, order, extra_scale)?))
    }

    fn vector(&self, tensor: &ExpectedTensor) -> Result<Vec<f32>, Error> {
        if tensor.role != Role::RopeInvFreq {
            return self.floats(&weight_name(tensor));
        }
        let config = self.config();
        let scaling = RopeScaling::Linear { factor: self.shape.rope_factor };
        let frequencies = rope_inv_freq(config.rope_theta, config.head_dim, scaling);
        let divided = |(frequency, factor)| frequency / factor;
        Ok(frequencies.into_iter().zip(self.rope_factors()?).map(divided).collect())
    }

    fn release(&self, tensor: &ExpectedTensor) {
        if let Some(stored) = self.tensors.get(&weight_name(tensor)) {
            self.file.release(stored.start..stored.end);
        }
    }

    fn table_rows(
        &self,
        tensor: &ExpectedTensor,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (name, stored, float) = self.table(tensor)?;
        let row_bytes = float.row_bytes(shape(tensor).1);
        let (mut values, mut widened) = (Vec::new(), Vec::new());
        for (row, bytes) in self.bytes(&stored).chunks_exact(row_bytes).enumerate() {
            values.clear();
            float.widen(bytes, &mut values);
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                let found = values[column];
                let problem = format!("expected finite weights, found {found} at row {row}, column {column}");
                return Err(Error::new(name, problem));
            }
            // A table may be larger than the memory that packing should take.
            let end = (row + 1) * row_bytes;
            if end / RELEASE_BYTES > row * row_bytes / RELEASE_BYTES {
                self.file.release(stored.start..stored.start + end - row_bytes);
            }
            if float.is_plain() {
                visit(bytes)?;
            } else {
                widened.clear();
                widened.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                visit(&widened)?;
            }
        }
        Ok(())
    }
}

/// The name of a tensor that the file holds.
fn weight_name(tensor: &ExpectedTensor) -> String {
    tensor_stem(tensor).map_or_else(|| tensor.role.name().into(), |stem| format!("{stem}.weight"))
}

/// Rows and columns as indices; every dimension of a checked config fits.
fn shape(tensor: &ExpectedTensor) -> (usize, usize) {
    let index = |value: u64| usize::try_from(value).expect("at most MAX_VOCAB");
    (index(tensor.n), index(tensor.k))
}
