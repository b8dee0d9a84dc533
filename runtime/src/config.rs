//! The shape of a model and the defaults it ships with
//!
//! One plain struct, in the words of the llama2.c and Hugging Face lineage. [`Config::check`] is the single gate for
//! absurd values: the packer calls it before it writes and the loader before it trusts, so that every product of
//! fields used later fits, and no buffer size or loop bound derived from a config can overflow.

use crate::format::LoadError;

/// Capacity of [`Config::eos_token_ids`].
pub const MAX_EOS_TOKENS: usize = 8;
/// Capacity of [`Config::name`] in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Largest `dim`, `hidden_dim`, `q_dim` and `kv_dim`: the bound under which the kernels' int32 sums are exact.
pub const MAX_DIM: u32 = 65_536;
/// Largest `head_dim`.
pub const MAX_HEAD_DIM: u32 = 512;
/// Largest `n_layers`.
pub const MAX_LAYERS: u32 = 512;
/// Largest `vocab_size`.
pub const MAX_VOCAB: u32 = 1 << 20;
/// Largest `max_seq_len`.
pub const MAX_SEQ_LEN: u32 = 1 << 20;

/// The gate's activation function in the feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenAct {
    /// `max(x, 0)²` (Primer, arXiv:2109.08668).
    Relu2,
    /// `x · sigmoid(x)`, the gate of SwiGLU (arXiv:2002.05202).
    Silu,
}

impl HiddenAct {
    /// The name used by Hugging Face configs: `relu2` or `silu`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relu2 => "relu2",
            Self::Silu => "silu",
        }
    }
}

/// How the final hidden states of a text become one vector: what makes a model an embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The last token's state, divided by its L2 norm.
    LastToken,
}

impl Pooling {
    /// The name for people: `last token`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastToken => "last token",
        }
    }
}

/// How the checkpoint's authors sample from it; a user's flags override each field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingDefaults {
    /// Whether to sample at all; otherwise greedy.
    pub do_sample: bool,
    /// Divides the logits; finite and at least 0 (0 means greedy).
    pub temperature: f32,
    /// Keep the k largest logits; 0 keeps all.
    pub top_k: u32,
    /// Nucleus mass in (0, 1]; 1 keeps all.
    pub top_p: f32,
}

impl Default for SamplingDefaults {
    /// Greedy, with the neutral value of every other field.
    fn default() -> Self {
        Self { do_sample: false, temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

/// The shape of a model, its special ids and its sampling defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What people call the model; printable UTF-8.
    pub name: heapless::String<MAX_NAME_BYTES>,
    /// Width of the residual stream.
    pub dim: u32,
    /// Width of the feed-forward block.
    pub hidden_dim: u32,
    /// Number of transformer blocks.
    pub n_layers: u32,
    /// Number of query heads.
    pub n_heads: u32,
    /// Number of key/value heads (GQA, arXiv:2305.13245); divides `n_heads`.
    pub n_kv_heads: u32,
    /// Elements per head; even. `n_heads * head_dim` may differ from `dim`.
    pub head_dim: u32,
    /// Number of token ids.
    pub vocab_size: u32,
    /// Longest context the model was made for, in tokens.
    pub max_seq_len: u32,
    /// Added to the mean square in every RMS norm but those of `linear_norm_eps`; finite and positive.
    pub norm_eps: f32,
    /// The gate's activation function.
    pub hidden_act: HiddenAct,
    /// Whether attention and feed-forward outputs are normalised before `wo` and `w_down` (BitNet's sub-norms).
    pub has_sub_norms: bool,
    /// Whether each head of the queries and keys is normalised before its rotation (Qwen3, arXiv:2505.09388 section 2).
    pub has_qk_norm: bool,
    /// Whether every ternary linear layer has an RMS norm of its own over its input, and what that norm adds to the mean
    /// square; finite and positive.
    pub linear_norm_eps: Option<f32>,
    /// Whether the token embedding is also the output head.
    pub tied_embedding: bool,
    /// Set for an embedding model: it gives one vector for a text and no logits; then `tied_embedding` is set, too.
    pub pooling: Option<Pooling>,
    /// Base of the rotary frequencies, for people: the runtime uses the stored table.
    pub rope_theta: f64,
    /// The id that starts a sequence, if the model has one.
    pub bos_token_id: Option<u32>,
    /// The ids that end an answer.
    pub eos_token_ids: heapless::Vec<u32, MAX_EOS_TOKENS>,
    /// How the authors sample.
    pub sampling: SamplingDefaults,
}

impl Config {
    /// Width of the concatenated query heads: `n_heads * head_dim`.
    #[must_use]
    pub const fn q_dim(&self) -> u32 {
        self.n_heads * self.head_dim
    }

    /// Width of the concatenated key (or value) heads: `n_kv_heads * head_dim`.
    #[must_use]
    pub const fn kv_dim(&self) -> u32 {
        self.n_kv_heads * self.head_dim
    }

    /// Query heads per key/value head: `n_heads / n_kv_heads`.
    #[must_use]
    pub const fn group_size(&self) -> u32 {
        self.n_heads / self.n_kv_heads
    }

    /// Numbers that a row of a pass gives: a logit for every token id, or of an embedding model the embedding.
    #[must_use]
    pub const fn output_dim(&self) -> u32 {
        match self.pooling {
            None => self.vocab_size,
            Some(Pooling::LastToken) => self.dim,
        }
    }

    /// Checks every field against its range and against each other.
    ///
    /// After `Ok`, all derived widths are in `1..=MAX_DIM` and every id is below `vocab_size`.
    ///
    /// # Errors
    /// The first field that is out of range, with its range and what was found.
    pub fn check(&self) -> Result<(), LoadError> {
        in_range("dim", self.dim, 1, MAX_DIM)?;
        in_range("hidden_dim", self.hidden_dim, 1, MAX_DIM)?;
        in_range("n_layers", self.n_layers, 1, MAX_LAYERS)?;
        in_range("n_heads", self.n_heads, 1, MAX_DIM)?;
        in_range("n_kv_heads", self.n_kv_heads, 1, self.n_heads)?;
        in_range("head_dim", self.head_dim, 2, MAX_HEAD_DIM)?;
        in_range("vocab_size", self.vocab_size, 1, MAX_VOCAB)?;
        in_range("max_seq_len", self.max_seq_len, 1, MAX_SEQ_LEN)?;
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Err(LoadError::ConfigNotMultiple {
                field: "n_heads",
                found: self.n_heads,
                divisor: self.n_kv_heads,
            });
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(LoadError::ConfigNotMultiple { field: "head_dim", found: self.head_dim, divisor: 2 });
        }
        let q_dim = u64::from(self.n_heads) * u64::from(self.head_dim);
        if q_dim > u64::from(MAX_DIM) {
            return Err(LoadError::ConfigOutOfRange {
                field: "n_heads * head_dim",
                min: 1,
                max: u64::from(MAX_DIM),
                found: q_dim,
            });
        }
        positive("norm_eps", f64::from(self.norm_eps))?;
        if let Some(eps) = self.linear_norm_eps {
            positive("linear_norm_eps", f64::from(eps))?;
        }
        positive("rope_theta", self.rope_theta)?;
        if self.pooling.is_some() && !self.tied_embedding {
            return Err(LoadError::ConfigPoolingWithHead);
        }
        if let Some(id) = self.bos_token_id {
            in_range("bos_token_id", id, 0, self.vocab_size - 1)?;
        }
        for &id in &self.eos_token_ids {
            in_range("eos_token_id", id, 0, self.vocab_size - 1)?;
        }
        let sampling = &self.sampling;
        if !sampling.temperature.is_finite() || sampling.temperature < 0.0 {
            return Err(LoadError::ConfigBadFloat {
                field: "temperature",
                found: f64::from(sampling.temperature),
            });
        }
        if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
            return Err(LoadError::ConfigBadFloat { field: "top_p", found: f64::from(sampling.top_p) });
        }
        // The name is printed on terminals and serial consoles: no escape sequences from a file.
        if self.name.chars().any(char::is_control) {
            return Err(LoadError::ConfigBadName);
        }
        Ok(())
    }
}

/// `min <= found <= max`, or the error that says so.
fn in_range(field: &'static str, found: u32, min: u32, max: u32) -> Result<(), LoadError> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(LoadError::ConfigOutOfRange {
        field,
        min: u64::from(min),
        max: u64::from(max),
        found: u64::from(found),
    })
}

/// Finite and above zero, or the error that says so.
fn positive(field: &'static str, found: f64) -> Result<(), LoadError> {
    if found.is_finite() && found > 0.0 { Ok(()) } else { Err(LoadError::ConfigBadFloat { field, found }) }
}
