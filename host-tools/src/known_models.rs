//! Models on the hub that are of a kind this program packs right
//!
//! Shapes, forms and licences are those of public configs and model cards. What is not known here is absent: no figure
//! is guessed. Sizes follow from the shapes.

use ternlet_runtime::Config;
use ternlet_runtime::config::{HiddenAct, MAX_NAME_BYTES, Pooling, SamplingDefaults};
use ternlet_runtime::format::{Layout, Role, Schedule, TensorKind};

/// A published model.
#[derive(Debug, Clone, Copy)]
pub struct KnownModel {
    /// Its name on the hub, for `ternlet pack hf:NAME`.
    pub hub_name: &'static str,
    /// How its weights are stored, if that is known.
    pub form: Option<Form>,
    /// Its licence in the words of its card.
    pub licence: &'static str,
    shape: Option<Shape>,
}

/// How a published model stores its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Safetensors, four trits a byte; the rest bf16.
    Packed,
    /// Safetensors, all masters in bf16.
    Bf16,
    /// Safetensors, all masters in f32.
    F32,
    /// GGUF with `I2_S` matrices, an f16 embedding and f32 norms.
    I2s,
}

/// The fields of a config that sizes follow from.
#[derive(Debug, Clone, Copy)]
struct Shape {
    dim: u32,
    hidden_dim: u32,
    n_layers: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    vocab_size: u32,
    max_seq_len: u32,
    tied_embedding: bool,
    kind: Kind,
}

/// What blocks are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sub-norms.
    Bitnet,
    /// Neither sub-norms nor norms in the linear layers.
    Llama,
    /// Norms of queries and keys and in every linear layer; a vector for a text.
    Embedding,
}

const BITNET_2B4T: Shape = Shape {
    dim: 2560,
    hidden_dim: 6912,
    n_layers: 30,
    n_heads: 20,
    n_kv_heads: 5,
    head_dim: 128,
    vocab_size: 128_256,
    max_seq_len: 4096,
    tied_embedding: true,
    kind: Kind::Bitnet,
};

const FALCON3_7B: Shape = Shape {
    dim: 3072,
    hidden_dim: 23_040,
    n_layers: 28,
    n_heads: 12,
    n_kv_heads: 4,
    head_dim: 256,
    vocab_size: 131_072,
    max_seq_len: 32_768,
    tied_embedding: false,
    kind: Kind::Llama,
};

const FALCON3_1B: Shape =
    Shape { dim: 2048, hidden_dim: 8192, n_layers: 18, n_heads: 8, max_seq_len: 8192, ..FALCON3_7B };

const FALCON3_3B: Shape = Shape { hidden_dim: 9216, n_layers: 22, ..FALCON3_7B };

const FALCON3_10B: Shape = Shape { n_layers: 40, ..FALCON3_7B };

const LLAMA3_8B: Shape = Shape {
    dim: 4096,
    hidden_dim: 14_336,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: 8,
    head_dim: 128,
    vocab_size: 128_256,
    max_seq_len: 8192,
    tied_embedding: false,
    kind: Kind::Llama,
};

const ONE_BIT_LARGE: Shape = Shape {
    dim: 1536,
    hidden_dim: 4096,
    n_layers: 24,
    n_heads: 16,
    n_kv_heads: 16,
    head_dim: 96,
    vocab_size: 32_002,
    max_seq_len: 2048,
    tied_embedding: true,
    kind: Kind::Bitnet,
};

const ONE_BIT_XL: Shape =
    Shape { dim: 2048, hidden_dim: 5460, n_heads: 32, n_kv_heads: 32, head_dim: 64, ..ONE_BIT_LARGE };

const ONE_BIT_3B: Shape = Shape { dim: 3200, hidden_dim: 8640, n_layers: 26, head_dim: 100, ..ONE_BIT_XL };

const EMBEDDING_06B: Shape = Shape {
    dim: 1024,
    hidden_dim: 3072,
    n_layers: 28,
    n_heads: 16,
    n_kv_heads: 8,
    head_dim: 128,
    vocab_size: 151_936,
    max_seq_len: 32_768,
    tied_embedding: true,
    kind: Kind::Embedding,
};

const FALCON3_LICENCE: &str = "TII Falcon License 2.0";
const FALCON_E_LICENCE: &str = "Falcon-LLM License";

/// Every model, in families, small ones first.
pub const KNOWN_MODELS: [KnownModel; 14] = [
    model("microsoft/bitnet-b1.58-2B-4T", Some(Form::Packed), "MIT", Some(BITNET_2B4T)),
    model("microsoft/bitnet-b1.58-2B-4T-bf16", Some(Form::Bf16), "MIT", Some(BITNET_2B4T)),
    model("microsoft/bitnet-b1.58-2B-4T-gguf", Some(Form::I2s), "MIT", Some(BITNET_2B4T)),
    model("tiiuae/Falcon-E-1B-Instruct", Some(Form::Packed), FALCON_E_LICENCE, None),
    model("tiiuae/Falcon-E-3B-Instruct", Some(Form::Packed), FALCON_E_LICENCE, None),
    model("tiiuae/Falcon3-1B-Instruct-1.58bit", Some(Form::Packed), FALCON3_LICENCE, Some(FALCON3_1B)),
    model("tiiuae/Falcon3-3B-Instruct-1.58bit", Some(Form::Packed), FALCON3_LICENCE, Some(FALCON3_3B)),
    model("tiiuae/Falcon3-7B-Instruct-1.58bit", Some(Form::Packed), FALCON3_LICENCE, Some(FALCON3_7B)),
    model("tiiuae/Falcon3-10B-Instruct-1.58bit", Some(Form::Packed), FALCON3_LICENCE, Some(FALCON3_10B)),
    model(
        "HF1BitLLM/Llama3-8B-1.58-100B-tokens",
        Some(Form::Packed),
        "not stated (base: Meta Llama 3)",
        Some(LLAMA3_8B),
    ),
    model("1bitLLM/bitnet_b1_58-large", None, "MIT", Some(ONE_BIT_LARGE)),
    model("1bitLLM/bitnet_b1_58-xl", None, "MIT", Some(ONE_BIT_XL)),
    model("1bitLLM/bitnet_b1_58-3B", Some(Form::F32), "MIT", Some(ONE_BIT_3B)),
    model("microsoft/bitnet-embedding-0.6b", None, "MIT", Some(EMBEDDING_06B)),
];

const fn model(
    hub_name: &'static str,
    form: Option<Form>,
    licence: &'static str,
    shape: Option<Shape>,
) -> KnownModel {
    KnownModel { hub_name, form, licence, shape }
}

impl KnownModel {
    /// The model's shape as the packer has it; `None` if it is not known here.
    #[must_use]
    pub fn config(&self) -> Option<Config> {
        let shape = self.shape?;
        let name: heapless::String<MAX_NAME_BYTES> = self.hub_name.rsplit('/').next()?.chars().collect();
        let is_embedding = shape.kind == Kind::Embedding;
        Some(Config {
            name,
            dim: shape.dim,
            hidden_dim: shape.hidden_dim,
            n_layers: shape.n_layers,
            n_heads: shape.n_heads,
            n_kv_heads: shape.n_kv_heads,
            head_dim: shape.head_dim,
            vocab_size: shape.vocab_size,
            max_seq_len: shape.max_seq_len,
            // Sizes do not depend on the fields from here to the end, but for the norms and the ties.
            norm_eps: 1e-5,
            hidden_act: HiddenAct::Silu,
            has_sub_norms: shape.kind == Kind::Bitnet,
            has_qk_norm: is_embedding,
            linear_norm_eps: is_embedding.then_some(1e-6),
            tied_embedding: shape.tied_embedding,
            pooling: is_embedding.then_some(Pooling::LastToken),
            rope_theta: 10_000.0,
            bos_token_id: None,
            eos_token_ids: heapless::Vec::new(),
            sampling: SamplingDefaults::default(),
        })
    }

    /// The layout that the embedding and head keep in the packed file.
    #[must_use]
    pub fn table_layout(&self) -> Option<Layout> {
        Some(match self.form? {
            Form::Packed | Form::Bf16 => Layout::Bf16,
            Form::F32 => Layout::F32,
            Form::I2s => Layout::F16,
        })
    }

    /// Bytes of the weights as published; names, offsets and the tokenizer come on top.
    #[must_use]
    pub fn download_bytes(&self) -> Option<u64> {
        let (config, form) = (self.config()?, self.form?);
        let tensors = Schedule::of_floats(&config);
        let bytes = tensors.iter().filter(|tensor| tensor.role != Role::RopeInvFreq).map(|tensor| {
            let elements = tensor.n * tensor.k;
            match (form, tensor.kind) {
                (Form::Packed, TensorKind::Ternary) => elements / 4 + 2,
                // The scale, and padding to 32 bytes.
                (Form::I2s, TensorKind::Ternary) => elements / 4 + 32,
                (Form::F32, _) | (Form::I2s, TensorKind::Vector) => elements * 4,
                _ => elements * 2,
            }
        });
        Some(bytes.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::{Footprint, parameters};
    use crate::pack::HeadForm;

    fn known(hub_name: &str) -> &'static KnownModel {
        KNOWN_MODELS.iter().find(|model| model.hub_name == hub_name).unwrap()
    }

    /// Parameter counts as the models' cards and their unquantised siblings' checkpoints give them.
    #[test]
    fn shapes_have_as_many_parameters_as_is_published() {
        for (hub_name, published) in [
            ("microsoft/bitnet-b1.58-2B-4T", 2_412_820_480),
            ("HF1BitLLM/Llama3-8B-1.58-100B-tokens", 8_030_261_248),
            ("tiiuae/Falcon3-7B-Instruct-1.58bit", 7_455_550_464),
            ("tiiuae/Falcon3-10B-Instruct-1.58bit", 10_305_653_760),
        ] {
            assert_eq!(parameters(&known(hub_name).config().unwrap()).0, published, "{hub_name}");
        }
        // With three digits: 3.32 billion.
        let one_bit = parameters(&known("1bitLLM/bitnet_b1_58-3B").config().unwrap()).0;
        assert_eq!(one_bit / 10_000_000, 332);
    }

    #[test]
    fn every_shape_passes_the_packers_gate_and_int8_heads_are_smaller() {
        for model in &KNOWN_MODELS {
            let Some(config) = model.config() else { continue };
            config.check().unwrap();
            let Some(layout) = model.table_layout() else { continue };
            let [source, int8] =
                [HeadForm::Source, HeadForm::Int8].map(|head| Footprint::new(&config, layout, head).unwrap());
            assert!(int8.memory_bytes < source.memory_bytes, "{}", model.hub_name);
            // Four trits a byte and whole blocks: packing shrinks masters and keeps packed weights.
            let download = model.download_bytes().unwrap();
            assert!(source.file_bytes < download + download / 50, "{}", model.hub_name);
        }
    }
}
