//! A model in place: the bytes of a file, seen as weights
//!
//! [`Model::parse`] checks structure, tables and their checksums in O(header), without reading the payload. After `Ok`
//! every accessor borrows from the file: nothing is copied, nothing can be out of bounds, and no later step can panic
//! whatever the payload holds. Damage to the payload is found by [`Model::verify_chunk`], and a payload that no honest
//! packer writes by [`Model::verify_tensor`].

mod verify;
mod weights;

pub use weights::{Layer, Linear, SplitTable, Table, Ternary};

use crate::arena::cast_slice;
use crate::chat_template::ChatTemplate;
use crate::config::Config;
use crate::format::{
    ALIGN, Directory, Header, Layout, LoadError, Role, Schedule, Sections, SelfTest, SystemError,
    SystemPrompt, TensorEntry, decode_config, n_chunks,
};
use crate::tokenizer::Tokenizer;

/// A checked model file, borrowed. Cheap to clone: a few slices and the config.
#[derive(Debug, Clone)]
pub struct Model<'a> {
    header: Header,
    config: Config,
    sections: Sections<'a>,
    directory: Directory<'a>,
    self_test: Option<SelfTest<'a>>,
    tokenizer: Option<Tokenizer<'a>>,
    chat_template: Option<ChatTemplate<'a>>,
    system: Option<SystemPrompt<'a>>,
}

impl<'a> Model<'a> {
    /// Checks a whole model file except its payload.
    ///
    /// `file` must start at a multiple of 64 bytes and end where the model ends. Allocates: no.
    ///
    /// # Errors
    /// Rejections R1 to R35, R40 to R46 of `FORMAT.md`.
    pub fn parse(file: &'a [u8]) -> Result<Self, LoadError> {
        let remainder = file.as_ptr().addr() % ALIGN;
        if remainder != 0 {
            return Err(LoadError::MisalignedBase { remainder });
        }
        let header = Header::decode(file)?;
        let sections = Sections::decode(file, &header)?;
        let config = decode_config(sections.config)?;
        let directory = Directory::decode(sections.directory, &config, sections.tensors.len() as u64)?;
        let self_test = sections.self_test.map(|bytes| SelfTest::decode(bytes, &config)).transpose()?;
        let tokenizer = sections.tokenizer.map(Tokenizer::parse).transpose().map_err(LoadError::Tokenizer)?;
        if let Some(found) = tokenizer.as_ref().map(Tokenizer::vocab_size)
            && found > config.vocab_size
        {
            return Err(LoadError::TokenizerIds { vocab_size: config.vocab_size, found });
        }
        let chat_template =
            sections.chat_template.map(ChatTemplate::parse).transpose().map_err(LoadError::ChatTemplate)?;
        let ids = chat_template.iter().flat_map(ChatTemplate::special_ids);
        if let Some(found) = ids.max().filter(|id| *id >= config.vocab_size) {
            return Err(LoadError::ChatTemplateId { found, vocab_size: config.vocab_size });
        }
        if chat_template.is_some() && tokenizer.is_none() {
            return Err(LoadError::ChatTemplateAlone);
        }
        let system = sections.system.map(|bytes| SystemPrompt::decode(bytes, &config)).transpose();
        let system = system.map_err(LoadError::System)?;
        if system.is_some() && chat_template.is_none() {
            return Err(LoadError::System(SystemError::NoTemplate));
        }
        Ok(Self { header, config, sections, directory, self_test, tokenizer, chat_template, system })
    }

    /// The model's shape and defaults.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// A number that identifies the file: equal for equal bytes, payload included.
    #[must_use]
    pub const fn file_id(&self) -> u64 {
        self.header.checksum
    }

    /// Length of the whole file in bytes.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.header.total_len
    }

    /// The tokenizer, if the file has one.
    #[must_use]
    pub fn tokenizer(&self) -> Option<Tokenizer<'a>> {
        self.tokenizer
    }

    /// The raw TOKENIZER section, if the file has one.
    #[must_use]
    pub const fn tokenizer_bytes(&self) -> Option<&'a [u8]> {
        self.sections.tokenizer
    }

    /// The compiled chat template, if the file has one; then it has a tokenizer too.
    #[must_use]
    pub fn chat_template(&self) -> Option<ChatTemplate<'a>> {
        self.chat_template
    }

    /// The raw CHAT_TEMPLATE section, if the file has one.
    #[must_use]
    pub const fn chat_template_bytes(&self) -> Option<&'a [u8]> {
        self.sections.chat_template
    }

    /// The system message that the packer prefilled, if any; then the file has a chat template too.
    #[must_use]
    pub const fn system(&self) -> Option<SystemPrompt<'a>> {
        self.system
    }

    /// The ids and logits hash that the packer stored, if any.
    #[must_use]
    pub const fn self_test(&self) -> Option<SelfTest<'a>> {
        self.self_test
    }

    /// The tensors in file order, for people and packers.
    pub fn tensors(&self) -> impl Iterator<Item = TensorEntry> + use<'a> {
        self.directory.iter()
    }

    /// The weights of layer `layer`.
    ///
    /// # Panics
    /// If `layer` is not below `n_layers`.
    #[must_use]
    pub fn layer(&self, layer: usize) -> Layer<'a> {
        let layer = match u32::try_from(layer) {
            Ok(layer) if layer < self.config.n_layers => layer,
            _ => panic!("layer {layer} of {}", self.config.n_layers),
        };
        let index = |role| self.schedule().layer_role_index(layer, role);
        let vector = |role| index(role).map(|index| self.vector(index));
        let linear = |norm, role| Linear {
            norm: vector(norm),
            weight: self.ternary(index(role).expect("a matrix of every layer")),
        };
        Layer {
            attn_norm: vector(Role::AttnNorm).expect("a norm of every layer"),
            wq: linear(Role::WqNorm, Role::Wq),
            wk: linear(Role::WkNorm, Role::Wk),
            wv: linear(Role::WvNorm, Role::Wv),
            q_norm: vector(Role::QNorm),
            k_norm: vector(Role::KNorm),
            attn_sub_norm: vector(Role::AttnSubNorm),
            wo: linear(Role::WoNorm, Role::Wo),
            ffn_norm: vector(Role::FfnNorm).expect("a norm of every layer"),
            w_gate: linear(Role::WGateNorm, Role::WGate),
            w_up: linear(Role::WUpNorm, Role::WUp),
            ffn_sub_norm: vector(Role::FfnSubNorm),
            w_down: linear(Role::WDownNorm, Role::WDown),
        }
    }

    /// The embedding, `[vocab_size, dim]`.
    #[must_use]
    pub fn token_embedding(&self) -> Table<'a> {
        self.table(0)
    }

    /// The output head, `[vocab_size, dim]`; the embedding itself when tied.
    #[must_use]
    pub fn lm_head(&self) -> Table<'a> {
        self.table(if self.config.tied_embedding { 0 } else { self.schedule().lm_head_index() })
    }

    /// Weights of the norm before the head, `[dim]`.
    #[must_use]
    pub fn final_norm(&self) -> &'a [f32] {
        self.vector(self.schedule().final_norm_index())
    }

    /// Rotary frequencies in radians per position, `[head_dim / 2]` (RoPE, arXiv:2104.09864).
    #[must_use]
    pub fn rope_inv_freq(&self) -> &'a [f32] {
        self.vector(self.schedule().rope_inv_freq_index())
    }

    /// Bytes of weights that decoding one token reads: all but the embedding, of which one row, and the head (embedding
    /// models have none). Of a split head the low plane is left out: each row of it that a token needs adds
    /// [`head_row_bytes`](Self::head_row_bytes).
    #[must_use]
    pub fn weight_bytes_per_token(&self) -> u64 {
        let vocab_size = u64::from(self.config.vocab_size);
        let is_embedding =
            |role| matches!(role, Role::TokenEmbedding | Role::TokenEmbeddingScale | Role::TokenEmbeddingLow);
        let is_head = self.config.tied_embedding && self.config.pooling.is_none();
        self.tensors()
            .map(|entry| match is_embedding(entry.role) {
                // One row of it for the embedding.
                true if entry.role == Role::TokenEmbeddingLow => entry.length / vocab_size,
                true if is_head => entry.length + entry.length / vocab_size,
                true => entry.length / vocab_size,
                false if entry.role == Role::LmHeadLow => 0,
                false => entry.length,
            })
            .sum()
    }

    /// Whether the head is in two planes, so that a few candidates are found without reading all of it.
    #[must_use]
    pub fn has_split_head(&self) -> bool {
        matches!(self.lm_head(), Table::I8Split(_)) && self.config.pooling.is_none()
    }

    /// What a session on this model had best plan for as `max_top_k`: [`MAX_TOP_K`](crate::MAX_TOP_K) for a split head,
    /// else 0.
    #[must_use]
    pub fn usual_top_k(&self) -> u32 {
        if self.has_split_head() { crate::MAX_TOP_K } else { 0 }
    }

    /// Bytes that completing one row of a split head reads; 0 of a head in one piece.
    #[must_use]
    pub fn head_row_bytes(&self) -> u64 {
        match self.lm_head() {
            Table::I8Split(table) => table.low.len() as u64 / u64::from(self.config.vocab_size),
            _ => 0,
        }
    }

    /// Number of payload chunks, each with a checksum.
    #[must_use]
    pub const fn n_chunks(&self) -> u64 {
        n_chunks(self.sections.tensors.len() as u64)
    }

    const fn schedule(&self) -> &Schedule {
        self.directory.schedule()
    }

    /// Entry `index` (file order) and its bytes.
    ///
    /// # Panics
    /// If there is no such tensor. `Directory::decode` checked every entry's bounds against the payload.
    #[must_use]
    pub fn tensor(&self, index: u32) -> (TensorEntry, &'a [u8]) {
        let entry = self.directory.get(index).expect("an index of the schedule");
        // Offsets and lengths are within `tensors`, whose length is a usize.
        let range = |offset: u64| usize::try_from(offset).expect("within the payload");
        (entry, &self.sections.tensors[range(entry.offset)..range(entry.offset + entry.length)])
    }

    fn vector(&self, index: u32) -> &'a [f32] {
        cast_slice(self.tensor(index).1).expect("tensors are 64-byte aligned")
    }

    /// The ternary matrix at `index` (file order).
    ///
    /// # Panics
    /// If there is no such tensor, or it is not ternary.
    #[must_use]
    pub fn ternary(&self, index: u32) -> Ternary<'a> {
        let (entry, bytes) = self.tensor(index);
        let dim = |value: u64| usize::try_from(value).expect("at most MAX_DIM");
        let layout = entry.layout.ternary().expect("a ternary layout");
        Ternary { n: dim(entry.n), k: dim(entry.k), scale: entry.scale, layout, order: entry.order, bytes }
    }

    fn table(&self, index: u32) -> Table<'a> {
        let (entry, bytes) = self.tensor(index);
        let table = match entry.layout {
            Layout::F16 => cast_slice(bytes).map(Table::F16),
            Layout::Bf16 => cast_slice(bytes).map(Table::Bf16),
            Layout::I8 => cast_slice(bytes).map(|rows| Table::I8 { rows, row_scale: self.vector(index + 1) }),
            Layout::I8Split => Some(Table::I8Split(SplitTable {
                high: bytes,
                low: self.tensor(index + 3).1,
                row_scale: self.vector(index + 1),
                bound: self.vector(index + 2),
            })),
            _ => cast_slice(bytes).map(Table::F32),
        };
        table.expect("tensors are 64-byte aligned")
    }
}
