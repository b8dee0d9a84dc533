//! A Hugging Face checkpoint of ternary weights as a source for the packer
//!
//! Maps roles to names, checks every shape and dtype before the first byte is written, and accounts for every tensor of
//! the checkpoint: one that nothing reads means that the model computes something we would leave out.

mod oddities;
mod tensor_names;

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::Dtype;
use ternlet_runtime::Config;
use ternlet_runtime::format::{ExpectedTensor, Layout, Role, Schedule, TensorKind};

use super::checkpoint::{Checkpoint, StoredTensor};
use super::hf_config::{HfConfig, WeightForm};
use super::master::MasterRows;
use super::packed::{PackedRows, TRITS_PER_BYTE};
use super::stored_floats::FloatType;
use crate::error::Error;
use crate::pack::{Source, TernaryRows, rope_inv_freq};

/// Bytes of a table after which those read so far are let go.
const RELEASE_BYTES: usize = 16 << 20;

/// An opened and checked checkpoint.
#[derive(Debug)]
pub struct HfCheckpoint {
    checkpoint: Checkpoint,
    hf: HfConfig,
}

impl HfCheckpoint {
    /// Opens the checkpoint in `directory`; `name` is what the packed model will be called.
    ///
    /// # Errors
    /// Everything that can be known without reading weights: configuration, missing or left-over tensors, shapes, dtypes.
    pub fn open(directory: &Path, name: &str) -> Result<Self, Error> {
        let hf = HfConfig::read(&directory.join("config.json"), name)?;
        let opened = Self { checkpoint: Checkpoint::open(directory)?, hf };
        let mut used = BTreeSet::new();
        for tensor in Schedule::of_floats(opened.config()).iter() {
            opened.check(&tensor, &mut used)?;
        }
        opened.refuse_left_over(&used)?;
        Ok(opened)
    }

    /// What the user should know of the weights although they can be packed, a sentence each.
    ///
    /// # Errors
    /// Norms or scales that cannot be packed.
    pub fn warnings(&self) -> Result<Vec<String>, Error> {
        oddities::warnings(self)
    }

    /// The tensor's name in the checkpoint.
    fn name(&self, tensor: &ExpectedTensor) -> String {
        let name = tensor_names::weight(self.hf.architecture, tensor);
        match name.strip_prefix("model.") {
            // Saved by itself, a model without a head lacks the name of the part it is in a model with one.
            Some(bare) if self.checkpoint.get("embed_tokens.weight").is_some() => bare.into(),
            _ => name,
        }
    }

    /// Finds the stored tensor and checks its shape and dtype.
    fn check(&self, tensor: &ExpectedTensor, used: &mut BTreeSet<String>) -> Result<(), Error> {
        if tensor.role == Role::RopeInvFreq {
            return Ok(());
        }
        let stored = self.stored(&self.name(tensor))?;
        used.insert(stored.name.into());
        let is_packed =
            tensor.kind == TensorKind::Ternary && self.hf.quantization.weight_form != WeightForm::Master;
        let (n, k) = shape(tensor);
        let (expected_shape, expected_dtype) = match tensor.kind {
            _ if is_packed => (vec![n.div_ceil(TRITS_PER_BYTE), k], "U8"),
            TensorKind::Vector => (vec![k], "BF16, F16 or F32"),
            _ => (vec![n, k], "BF16, F16 or F32"),
        };
        let dtype_fits =
            if is_packed { stored.dtype == Dtype::U8 } else { FloatType::of(stored.dtype).is_some() };
        if !dtype_fits || stored.shape != expected_shape {
            return Err(Error::new(
                stored.name,
                format!("expected {expected_dtype} {expected_shape:?}, found {}", stored.describe()),
            )
            .hint("config.json and the weights disagree: are both from the same checkpoint?"));
        }
        if is_packed {
            let scale = self.stored(&tensor_names::scale(stored.name))?;
            used.insert(scale.name.into());
            if scale.shape.iter().product::<usize>() != 1 || FloatType::of(scale.dtype).is_none() {
                return Err(Error::new(
                    scale.name,
                    format!("expected BF16, F16 or F32 [1], found {}", scale.describe()),
                ));
            }
        }
        Ok(())
    }

    /// Every tensor must be used, except those that change nothing.
    fn refuse_left_over(&self, used: &BTreeSet<String>) -> Result<(), Error> {
        for name in self.checkpoint.names().filter(|&name| !used.contains(name)) {
            // A buffer that old exports carry; the frequencies follow from rope_theta.
            if name.ends_with(".rotary_emb.inv_freq") {
                continue;
            }
            // A head that an embedding model was grown from and does not use.
            if name == "lm_head.weight" && self.config().pooling.is_some() {
                continue;
            }
            // Some exports write the tied head as well.
            if name == "lm_head.weight" {
                let (head, embedding) = (self.stored(name)?, self.stored("model.embed_tokens.weight")?);
                if head.dtype == embedding.dtype
                    && head.shape == embedding.shape
                    && head.bytes == embedding.bytes
                {
                    continue;
                }
                return Err(Error::new(
                    name,
                    "expected the embedding again or no such tensor, found another matrix",
                )
                .hint(
                    "if the model has a head of its own, config.json must say \"tie_word_embeddings\": false",
                ));
            }
            return Err(Error::new(name, "expected no tensor beyond those of the block, found this one")
                .hint("the checkpoint computes something that this version would leave out"));
        }
        Ok(())
    }

    fn stored(&self, name: &str) -> Result<StoredTensor<'_>, Error> {
        self.checkpoint.get(name).ok_or_else(|| {
            let hint = match name {
                _ if name.ends_with(".norm.weight") && self.config().linear_norm_eps.is_some() => {
                    "without a norm in every linear the model is none of the ternary kind, or not complete"
                }
                "lm_head.weight" => {
                    "a head that is the embedding needs \"tie_word_embeddings\": true in config.json"
                }
                _ => "is the checkpoint complete, with all shards?",
            };
            Error::new(name, "expected such a tensor, found none").hint(hint)
        })
    }

    /// The multiplying scale of the packed matrix called `name`.
    fn packed_scale(&self, name: &str) -> Result<f32, Error> {
        let stored = self.stored(&tensor_names::scale(name))?;
        let value = float_of(&stored)?.widen(stored.bytes).next().unwrap_or(f32::NAN);
        let scale =
            if self.hf.quantization.weight_form == WeightForm::PackedDivide { 1.0 / value } else { value };
        if value > 0.0 && value.is_finite() && scale.is_finite() {
            return Ok(scale);
        }
        Err(Error::new(stored.name, format!("expected a finite scale above 0, found {value}"))
            .hint("the checkpoint is damaged or its training diverged"))
    }
}

impl Source for HfCheckpoint {
    fn config(&self) -> &Config {
        &self.hf.config
    }

    fn table_layout(&self, tensor: &ExpectedTensor) -> Result<Layout, Error> {
        Ok(float_of(&self.stored(&self.name(tensor))?)?.layout())
    }

    fn ternary(&self, tensor: &ExpectedTensor) -> Result<Box<dyn TernaryRows + '_>, Error> {
        let stored = self.stored(&self.name(tensor))?;
        let (_, k) = shape(tensor);
        if self.hf.quantization.weight_form == WeightForm::Master {
            return Ok(Box::new(MasterRows::new(&stored, float_of(&stored)?, k)?));
        }
        Ok(Box::new(PackedRows::new(stored, k, self.packed_scale(stored.name)?)))
    }

    fn vector(&self, tensor: &ExpectedTensor) -> Result<Vec<f32>, Error> {
        if tensor.role == Role::RopeInvFreq {
            let config = self.config();
            return Ok(rope_inv_freq(config.rope_theta, config.head_dim, self.hf.rope_scaling));
        }
        let stored = self.stored(&self.name(tensor))?;
        let float = float_of(&stored)?;
        match float.first_not_finite(stored.bytes) {
            None => Ok(float.widen(stored.bytes).collect()),
            Some((element, value)) => Err(Error::new(
                stored.name,
                format!("expected finite weights, found {value} at element {element}"),
            )),
        }
    }

    fn table_rows(
        &self,
        tensor: &ExpectedTensor,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let stored = self.stored(&self.name(tensor))?;
        let float = float_of(&stored)?;
        let (_, k) = shape(tensor);
        for (row, bytes) in stored.bytes.chunks_exact(k * float.bytes()).enumerate() {
            if let Some((column, value)) = float.first_not_finite(bytes) {
                return Err(Error::new(
                    stored.name,
                    format!("expected finite weights, found {value} at row {row}, column {column}"),
                ));
            }
            visit(bytes)?;
            // A table may be larger than the memory that packing should take.
            let end = (row + 1) * bytes.len();
            if end / RELEASE_BYTES > row * bytes.len() / RELEASE_BYTES {
                self.checkpoint.release(stored.name, 0..end);
            }
        }
        Ok(())
    }

    fn release(&self, tensor: &ExpectedTensor) {
        self.checkpoint.release(&self.name(tensor), 0..usize::MAX);
    }
}

/// Rows and columns as indices; every dimension of a checked config fits.
fn shape(tensor: &ExpectedTensor) -> (usize, usize) {
    let index = |value: u64| usize::try_from(value).expect("at most MAX_VOCAB");
    (index(tensor.n), index(tensor.k))
}

fn float_of(stored: &StoredTensor<'_>) -> Result<FloatType, Error> {
    FloatType::of(stored.dtype).ok_or_else(|| {
        Error::new(stored.name, format!("expected BF16, F16 or F32, found {:?}", stored.dtype))
    })
}
