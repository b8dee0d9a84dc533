//! A source of weights as a GGUF file for bitnet.cpp or llama.cpp
//!
//! For comparing programs on one model: the trits and their order are what a packed file of the same source holds, and
//! this program packs the file back to the same matrices. No tokenizer is written; benchmarks make their own ids.
//! Not a converter: only models with sub-norms (`bitnet` to both programs) have a name there without a loss. Upstream
//! llama.cpp takes every `bitnet` for a `SiLU` model, whatever the file says, which changes its text and not its speed.

use std::io::{BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use ternlet_kernels::layout::i2;
use ternlet_runtime::Config;
use ternlet_runtime::config::HiddenAct;
use ternlet_runtime::format::{ExpectedTensor, Layout, Schedule, TensorKind};

use super::blocks::{I2_S_BLOCK, I2_S_TAIL, K_BLOCK, Q6_K_BYTES, TQ2_0_BYTES, i2_s, q6_k, tq2_0};
use crate::error::Error;
use crate::import::gguf::tensor_stem;
use crate::output_file::OutputFile;
use crate::pack::Source;

/// Tensors start at multiples of this.
const ALIGNMENT: u64 = 32;

/// Which program the file is for, by the type of its ternary matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GgufKind {
    /// bitnet.cpp's, in the order of x86.
    I2S,
    /// llama.cpp's; the scale is rounded to f16.
    Tq2_0,
}

/// How the embedding, and a head beside it, are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingBlocks {
    /// Two bytes a weight.
    F16,
    /// 6.5625 bits a weight.
    Q6K,
}

/// Writes `source` to `target` and returns the file's length in bytes.
///
/// # Errors
/// A model that these programs have no name for, dimensions that are no whole blocks, a target that cannot be written.
pub fn write_gguf(
    source: &dyn Source,
    kind: GgufKind,
    embedding: EmbeddingBlocks,
    target: &Path,
) -> Result<u64, Error> {
    let config = source.config();
    let architecture = architecture(config, kind)?;
    let tensors = tensors(config, kind, embedding)?;
    let output = OutputFile::create(target)?;
    let mut file = BufWriter::with_capacity(1 << 20, output.file());
    let header = header(config, architecture, &tensors);
    let start = (header.len() as u64).next_multiple_of(ALIGNMENT);
    let mut position = header.len() as u64;
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| output.error(&e));
    put(&header)?;
    for tensor in &tensors {
        let padding = start + tensor.offset - position;
        put(&zeros(padding))?;
        write_tensor(source, tensor, &mut put)?;
        position = start + tensor.offset + tensor.bytes;
    }
    file.into_inner().map_err(|e| output.error(e.error()))?;
    output.publish()?;
    Ok(position)
}

/// Padding before a tensor.
fn zeros(n: u64) -> Vec<u8> {
    vec![0; usize::try_from(n).expect("less than the alignment")]
}

/// What the program calls such a model.
fn architecture(config: &Config, kind: GgufKind) -> Result<&'static str, Error> {
    if !config.has_sub_norms
        || config.has_qk_norm
        || config.linear_norm_eps.is_some()
        || config.pooling.is_some()
    {
        let problem =
            "expected a model with sub-norms and no others, found another: it has no name in GGUF here";
        return Err(Error::new(config.name.as_str(), problem).hint("--format tern holds every model"));
    }
    Ok(match (kind, config.hidden_act) {
        (GgufKind::I2S, HiddenAct::Relu2) => "bitnet-b1.58",
        _ => "bitnet",
    })
}

/// How a tensor's elements are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocks {
    F32,
    F16,
    Q6K,
    I2S,
    Tq2_0,
}

impl Blocks {
    /// The type's id: ggml's, and for `I2_S` that of bitnet.cpp's fork.
    const fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q6K => 14,
            Self::Tq2_0 => 35,
            Self::I2S => 36,
        }
    }

    /// Bytes of `n` rows of `k` elements; `None` where rows (for `I2_S`: the matrix) are no whole blocks.
    fn bytes(self, n: u64, k: u64) -> Option<u64> {
        let of_rows = |block: usize, bytes: usize| {
            k.is_multiple_of(block as u64).then_some(n * (k / block as u64) * bytes as u64)
        };
        match self {
            Self::F32 => Some(n * k * 4),
            Self::F16 => Some(n * k * 2),
            Self::Q6K => of_rows(K_BLOCK, Q6_K_BYTES),
            Self::Tq2_0 => of_rows(K_BLOCK, TQ2_0_BYTES),
            // Blocks of rows that are no whole blocks straddle them; such a writer has no use here.
            Self::I2S => k.is_multiple_of(I2_S_BLOCK as u64).then_some(n * k / 4 + I2_S_TAIL as u64),
        }
    }
}

/// A tensor in its place.
#[derive(Debug)]
struct Placed {
    tensor: ExpectedTensor,
    name: String,
    blocks: Blocks,
    /// From the first tensor's first byte.
    offset: u64,
    bytes: u64,
}

/// Every tensor that the file holds, in the order of the packed file.
fn tensors(config: &Config, kind: GgufKind, embedding: EmbeddingBlocks) -> Result<Vec<Placed>, Error> {
    let mut placed: Vec<Placed> = Vec::new();
    let mut offset = 0;
    for tensor in Schedule::of_floats(config).iter() {
        let Some(stem) = tensor_stem(&tensor) else { continue };
        let blocks = match (tensor.kind, kind, embedding) {
            (TensorKind::Vector, ..) => Blocks::F32,
            (TensorKind::Table | TensorKind::LowPlane, _, EmbeddingBlocks::F16) => Blocks::F16,
            (TensorKind::Table | TensorKind::LowPlane, _, EmbeddingBlocks::Q6K) => Blocks::Q6K,
            (TensorKind::Ternary, GgufKind::I2S, _) => Blocks::I2S,
            (TensorKind::Ternary, GgufKind::Tq2_0, _) => Blocks::Tq2_0,
        };
        let name = format!("{stem}.weight");
        let bytes = blocks.bytes(tensor.n, tensor.k).ok_or_else(|| {
            let problem = format!("expected rows of whole blocks of {blocks:?}, found {} weights", tensor.k);
            Error::new(&name, problem).hint("the program cannot hold such a matrix in this type")
        })?;
        placed.push(Placed { tensor, name, blocks, offset, bytes });
        offset = (offset + bytes).next_multiple_of(ALIGNMENT);
    }
    Ok(placed)
}

/// Magic, metadata and the list of tensors.
fn header(config: &Config, architecture: &str, tensors: &[Placed]) -> Vec<u8> {
    let mut pairs = Pairs { architecture, bytes: Vec::new(), n: 0 };
    pairs.text("general.architecture", architecture);
    pairs.text("general.name", &config.name);
    let whole = [
        ("block_count", config.n_layers),
        ("context_length", config.max_seq_len),
        ("embedding_length", config.dim),
        ("feed_forward_length", config.hidden_dim),
        ("attention.head_count", config.n_heads),
        ("attention.head_count_kv", config.n_kv_heads),
        ("rope.dimension_count", config.head_dim),
        ("vocab_size", config.vocab_size),
    ];
    for (key, value) in whole {
        pairs.whole(key, value);
    }
    pairs.float("attention.layer_norm_rms_epsilon", config.norm_eps);
    #[expect(clippy::cast_possible_truncation, reason = "GGUF keeps the base as f32")]
    pairs.float("rope.freq_base", config.rope_theta as f32);
    let act = if config.hidden_act == HiddenAct::Relu2 { "relu2" } else { "silu" };
    pairs.text(&format!("{architecture}.hidden_activation"), act);
    pairs.text("tokenizer.ggml.model", "no_vocab");

    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend(pairs.n.to_le_bytes());
    bytes.extend(pairs.bytes);
    for placed in tensors {
        put_text(&mut bytes, &placed.name);
        let dims = match placed.tensor.kind {
            TensorKind::Vector => vec![placed.tensor.k],
            _ => vec![placed.tensor.k, placed.tensor.n],
        };
        bytes.extend(u32::try_from(dims.len()).expect("one or two").to_le_bytes());
        dims.iter().for_each(|dim| bytes.extend(dim.to_le_bytes()));
        bytes.extend(placed.blocks.id().to_le_bytes());
        bytes.extend(placed.offset.to_le_bytes());
    }
    bytes
}

/// Metadata being written. Types: 4 is u32, 6 is f32, 8 is a string.
struct Pairs<'a> {
    architecture: &'a str,
    bytes: Vec<u8>,
    n: u64,
}

impl Pairs<'_> {
    fn pair(&mut self, key: &str, kind: u32) {
        put_text(&mut self.bytes, key);
        self.bytes.extend(kind.to_le_bytes());
        self.n += 1;
    }

    fn text(&mut self, key: &str, value: &str) {
        self.pair(key, 8);
        put_text(&mut self.bytes, value);
    }

    /// Under a key of the architecture.
    fn whole(&mut self, key: &str, value: u32) {
        self.pair(&format!("{}.{key}", self.architecture), 4);
        self.bytes.extend(value.to_le_bytes());
    }

    /// Under a key of the architecture.
    fn float(&mut self, key: &str, value: f32) {
        self.pair(&format!("{}.{key}", self.architecture), 6);
        self.bytes.extend(value.to_le_bytes());
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Writes the elements of one tensor.
fn write_tensor(
    source: &dyn Source,
    placed: &Placed,
    put: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let tensor = &placed.tensor;
    let index = |value: u64| usize::try_from(value).expect("at most MAX_VOCAB");
    let (n, k) = (index(tensor.n), index(tensor.k));
    let mut bytes = Vec::new();
    match tensor.kind {
        TensorKind::Vector => {
            bytes.extend(source.vector(tensor)?.iter().flat_map(|value| value.to_le_bytes()));
            put(&bytes)
        }
        TensorKind::Table | TensorKind::LowPlane => {
            let stored = source.table_layout(tensor)?;
            source.table_rows(tensor, &mut |row| {
                let values = widened(stored, row);
                bytes.clear();
                match placed.blocks {
                    Blocks::Q6K => q6_k(&values, &mut bytes),
                    _ => bytes.extend(values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes())),
                }
                put(&bytes)
            })
        }
        TensorKind::Ternary => {
            let mut rows = source.ternary(tensor)?;
            let scale = rows.scale();
            let (mut packed, mut trits) = (vec![0; i2::row_bytes(k)], vec![0; k]);
            for row in 0..n {
                rows.pack_row(row, &mut packed)?;
                i2::unpack_row(&packed, &mut trits);
                bytes.clear();
                match placed.blocks {
                    Blocks::I2S => i2_s(&trits, &mut bytes),
                    _ => tq2_0(&trits, f16::from_f32(scale), &mut bytes),
                }
                put(&bytes)?;
            }
            if placed.blocks == Blocks::I2S {
                bytes.clear();
                bytes.extend(scale.to_le_bytes());
                bytes.resize(I2_S_TAIL, 0);
                put(&bytes)?;
            }
            Ok(())
        }
    }
}

/// A row of a table as f32.
fn widened(stored: Layout, row: &[u8]) -> Vec<f32> {
    match stored {
        Layout::Bf16 => row.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        Layout::F16 => row.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        _ => row.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
    }
}
