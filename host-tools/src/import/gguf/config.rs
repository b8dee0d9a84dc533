//! From metadata to a model's shape
//!
//! An architecture's keys all start with its name. Keys that no supported model sets to anything but one value must
//! have that value; a key that is not known at all is refused, as it may change what the model computes.

use ternlet_runtime::Pooling;
use ternlet_runtime::config::{Config, HiddenAct, MAX_EOS_TOKENS, SamplingDefaults};

use super::fields::{Fields, brief};
use super::tokenizer;
use super::value::Value;
use crate::error::Error;
use crate::import::hf_config::printable;

/// A block that the runtime computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    /// `bitnet`: 1bitLLM's models, and others since files say which activation function they use.
    Bitnet,
    /// `bitnet-25` and `bitnet-b1.58`: BitNet b1.58 2B-4T.
    BitnetRelu2,
    /// `llama`: Llama and Falcon3 with ternary projections.
    Llama,
    /// `qwen3`: BitNet Embedding, Qwen3 with a norm inside every projection.
    Qwen3,
}

/// What an architecture's keys say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub architecture: Architecture,
    /// `tied_embedding` and `vocab_size` follow from the tensors and are not set here.
    pub config: Config,
    /// Divides every rotary frequency.
    pub rope_factor: f64,
}

/// Keys of every architecture that say nothing about what is computed, or are read elsewhere.
const NEUTRAL_KEYS: [&str; 4] =
    ["vocab_size", "rope.scaling.finetuned", "rope.scaling.original_context_length", "tensor_data_layout"];

/// Keys that are read here.
const READ_KEYS: [&str; 16] = [
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "rope.freq_base",
    "rope.dimension_count",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",
    "hidden_activation",
    "pooling_type",
];

/// Keys with the only value under which they change nothing.
const FIXED_KEYS: [(&str, Value<'static>); 6] = [
    ("expert_count", Value::Integer(0)),
    ("expert_used_count", Value::Integer(0)),
    ("attention.sliding_window", Value::Integer(0)),
    ("attention.causal", Value::Bool(true)),
    ("rope.scaling.attn_factor", Value::Float(1.0)),
    ("use_parallel_residual", Value::Bool(false)),
];

impl Shape {
    /// Reads the shape; `name` is what the packed model will be called.
    pub(super) fn read(fields: &Fields<'_>, name: &str) -> Result<Self, Error> {
        refuse_other_kinds(fields)?;
        let architecture_name = fields.text("general.architecture")?.unwrap_or_default();
        let architecture = match architecture_name {
            "bitnet" => Architecture::Bitnet,
            "bitnet-25" | "bitnet-b1.58" => Architecture::BitnetRelu2,
            "llama" => Architecture::Llama,
            "qwen3" => Architecture::Qwen3,
            found => {
                return Err(Error::new(
                    "general.architecture",
                    format!("expected bitnet, bitnet-25, bitnet-b1.58, llama or qwen3, found {found:?}"),
                )
                .hint("ternlet runs ternary models of these kinds only"));
            }
        };
        let keys = Keys { fields, architecture: architecture_name };
        keys.refuse_unknown()?;
        let dim = keys.required_u32("embedding_length")?;
        let n_heads = keys.required_u32("attention.head_count")?;
        let head_dim = keys.head_dim(dim, n_heads)?;
        let norm_eps = keys.norm_eps()?;
        let config = Config {
            name: printable(name),
            dim,
            hidden_dim: keys.required_u32("feed_forward_length")?,
            n_layers: keys.required_u32("block_count")?,
            n_heads,
            n_kv_heads: keys.u32("attention.head_count_kv")?.unwrap_or(n_heads),
            head_dim,
            vocab_size: 1,
            max_seq_len: keys.required_u32("context_length")?,
            norm_eps,
            hidden_act: keys.hidden_act(architecture)?,
            has_sub_norms: matches!(architecture, Architecture::Bitnet | Architecture::BitnetRelu2),
            has_qk_norm: architecture == Architecture::Qwen3,
            linear_norm_eps: (architecture == Architecture::Qwen3).then_some(norm_eps),
            pooling: keys.pooling(architecture)?,
            tied_embedding: true,
            rope_theta: keys.rope_theta(architecture)?,
            bos_token_id: fields.u32("tokenizer.ggml.bos_token_id")?,
            eos_token_ids: eos_token_ids(fields)?,
            sampling: SamplingDefaults::default(),
        };
        Ok(Self { architecture, config, rope_factor: keys.rope_factor()? })
    }

    /// What the user should know of an architecture whose name says too little: bitnet.cpp's converter calls 1bitLLM's
    /// models, which were trained with `SiLU`, what it calls 2B-4T. Only they have a SentencePiece vocabulary.
    pub(super) fn warning(&self, fields: &Fields<'_>) -> Option<String> {
        let is_spoken = fields.keys().any(|key| key.ends_with(".hidden_activation"));
        let is_sentencepiece = fields.get("tokenizer.ggml.model") == Some(Value::Text(b"llama"));
        (self.architecture == Architecture::BitnetRelu2 && is_sentencepiece && !is_spoken).then(|| {
            "WARNING: the architecture means the activation function relu2, but converters give its name to 1bitLLM's \
             models too, which have SiLU and a SentencePiece vocabulary like this one: if this is such a model, pack \
             the original checkpoint instead"
                .into()
        })
    }
}

/// Files that hold something beside a whole model.
fn refuse_other_kinds(fields: &Fields<'_>) -> Result<(), Error> {
    if let Some(kind) = fields.text("general.type")?.filter(|kind| *kind != "model") {
        return Err(Error::new("general.type", format!("expected model, found {kind:?}"))
            .hint("adapters, projectors and vocabularies are no models; fetch the model's own file"));
    }
    match fields.u32("split.count")? {
        None | Some(0 | 1) => Ok(()),
        Some(n) => {
            Err(Error::new("split.count", format!("expected a model in one file, found one of {n} parts"))
                .hint("join them first: llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf"))
        }
    }
}

/// The keys of one architecture.
struct Keys<'f> {
    fields: &'f Fields<'f>,
    architecture: &'f str,
}

impl Keys<'_> {
    fn key(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.architecture)
    }

    fn u32(&self, suffix: &str) -> Result<Option<u32>, Error> {
        self.fields.u32(&self.key(suffix))
    }

    fn required_u32(&self, suffix: &str) -> Result<u32, Error> {
        self.u32(suffix)?
            .ok_or_else(|| Error::new(self.key(suffix), "expected a whole number, found no such key"))
    }

    fn f64(&self, suffix: &str) -> Result<Option<f64>, Error> {
        self.fields.f64(&self.key(suffix))
    }

    fn refuse_unknown(&self) -> Result<(), Error> {
        for key in self.fields.keys() {
            let Some(suffix) = key.strip_prefix(self.architecture).and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            if NEUTRAL_KEYS.contains(&suffix) || READ_KEYS.contains(&suffix) {
                continue;
            }
            let found = self.fields.get(key).map_or_else(String::new, brief);
            match FIXED_KEYS.iter().find(|(fixed, _)| *fixed == suffix) {
                Some((_, value)) if self.fields.get(key) == Some(*value) => {}
                Some((_, value)) => {
                    return Err(Error::new(key, format!("expected {}, found {found}", brief(*value)))
                        .hint("this version does not compute that"));
                }
                None => {
                    return Err(Error::new(
                        key,
                        format!("expected only keys that are known, found this one: {found}"),
                    )
                    .hint("it may change what the model computes, which this version would leave out"));
                }
            }
        }
        Ok(())
    }

    fn head_dim(&self, dim: u32, n_heads: u32) -> Result<u32, Error> {
        let head_dim = match self.u32("attention.key_length")? {
            Some(length) => length,
            None if n_heads > 0 && dim.is_multiple_of(n_heads) => dim / n_heads,
            None => {
                let problem = format!("expected a divisor of embedding_length {dim}, found {n_heads}");
                return Err(Error::new(self.key("attention.head_count"), problem));
            }
        };
        for same in ["attention.value_length", "rope.dimension_count"] {
            if let Some(found) = self.u32(same)?.filter(|found| *found != head_dim) {
                let problem = format!("expected {head_dim}, the length of a head, found {found}");
                return Err(Error::new(self.key(same), problem));
            }
        }
        Ok(head_dim)
    }

    fn norm_eps(&self) -> Result<f32, Error> {
        const KEY: &str = "attention.layer_norm_rms_epsilon";
        let eps = self.f64(KEY)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an f32 in every file; Config::check sees infinities"
        )]
        eps.map(|eps| eps as f32)
            .ok_or_else(|| Error::new(self.key(KEY), "expected a number, found no such key"))
    }

    /// The base of the rotary frequencies; llama.cpp's default, which 1bitLLM's and the first Llama models have, where
    /// the key is absent.
    fn rope_theta(&self, architecture: Architecture) -> Result<f64, Error> {
        const KEY: &str = "rope.freq_base";
        match (self.f64(KEY)?, architecture) {
            (Some(theta), _) => Ok(theta),
            (None, Architecture::Bitnet | Architecture::Llama) => Ok(10_000.0),
            (None, Architecture::BitnetRelu2 | Architecture::Qwen3) => {
                Err(Error::new(self.key(KEY), "expected a number, found no such key").hint(
                    "the converter lost it (rope_parameters in config.json); pack the original checkpoint",
                ))
            }
        }
    }

    /// Which token's state is the output of an embedding model. Codes are those of `llama_pooling_type`.
    fn pooling(&self, architecture: Architecture) -> Result<Option<Pooling>, Error> {
        const KEY: &str = "pooling_type";
        const LAST: u32 = 3;
        match (architecture, self.u32(KEY)?) {
            (Architecture::Qwen3, Some(LAST)) => Ok(Some(Pooling::LastToken)),
            (Architecture::Qwen3, found) => {
                let found = found.map_or_else(|| "no such key".into(), |code| code.to_string());
                Err(Error::new(self.key(KEY), format!("expected {LAST}, the last token, found {found}"))
                    .hint("the converter found no 1_Pooling/config.json; pack the original checkpoint"))
            }
            (_, None | Some(0)) => Ok(None),
            (_, Some(found)) => {
                Err(Error::new(self.key(KEY), format!("expected none for a model of text, found {found}")))
            }
        }
    }

    fn hidden_act(&self, architecture: Architecture) -> Result<HiddenAct, Error> {
        const KEY: &str = "hidden_activation";
        match self.fields.text(&self.key(KEY))? {
            Some("relu2") => Ok(HiddenAct::Relu2),
            Some("silu") => Ok(HiddenAct::Silu),
            Some(found) => Err(Error::new(self.key(KEY), format!("expected relu2 or silu, found {found:?}"))),
            None if architecture == Architecture::BitnetRelu2 => Ok(HiddenAct::Relu2),
            None => Ok(HiddenAct::Silu),
        }
    }

    /// The factor of linear scaling, 1 where there is none.
    fn rope_factor(&self) -> Result<f64, Error> {
        const KEY: &str = "rope.scaling.type";
        let kind = self.fields.text(&self.key(KEY))?;
        let factor = match self.f64("rope.scaling.factor")? {
            Some(factor) => factor,
            // What the key was called before there were kinds of scaling.
            None => self.f64("rope.scale_linear")?.unwrap_or(1.0),
        };
        match kind {
            Some("none") => Ok(1.0),
            // llama.cpp's default where the key is absent.
            None | Some("linear") if factor.is_finite() && factor > 0.0 => Ok(factor),
            None | Some("linear") => {
                let problem = format!("expected a finite factor above 0, found {factor}");
                Err(Error::new(self.key("rope.scaling.factor"), problem))
            }
            Some(found) => {
                Err(Error::new(self.key(KEY), format!("expected none or linear, found {found:?}"))
                    .hint("rotary frequencies scaled this way are not supported"))
            }
        }
    }
}

/// Ids that end an answer: of the sequence, the turn or the message, and tokens with the name of such.
fn eos_token_ids(fields: &Fields<'_>) -> Result<heapless::Vec<u32, MAX_EOS_TOKENS>, Error> {
    let mut ids = heapless::Vec::new();
    for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        if let Some(id) = fields.u32(&format!("tokenizer.ggml.{key}"))? {
            add(&mut ids, id);
        }
    }
    tokenizer::turn_ends(fields).for_each(|id| add(&mut ids, id));
    Ok(ids)
}

/// Adds `id` unless it is there or there is no room; a file that repeats its tokens' names may have too many.
fn add(ids: &mut heapless::Vec<u32, MAX_EOS_TOKENS>, id: u32) {
    if !ids.contains(&id) && !ids.is_full() {
        ids.extend([id]);
    }
}
