//! One model from either kind of file: every tensor and the config of a checkpoint, out of a GGUF made of it
//!
//! The checkpoints of `tests/golden/` are opened by the importer of safetensors, written as the GGUF that a converter
//! would make of them, and read back. What that importer reads is compared with transformers in `tests/tests/golden.rs`.

use std::path::Path;

use ternlet::import::hf_checkpoint::HfCheckpoint;
use ternlet::pack::Source;
use ternlet_kernels::layout::i2;
use ternlet_runtime::Config;
use ternlet_runtime::config::HiddenAct;
use ternlet_runtime::format::{ExpectedTensor, Layout, Role, Schedule, TensorKind};

use crate::model::open;
use crate::writer::{Field, Gguf, type_id};

/// A checkpoint, and the kind of GGUF that it becomes.
struct Case {
    golden: &'static str,
    architecture: &'static str,
    /// Type of the matrices: floats or `I2_S`.
    type_id: u32,
}

const CASES: [Case; 4] = [
    Case { golden: "a2_bitnet_hubscale_packed", architecture: "bitnet-b1.58", type_id: type_id::I2_S },
    Case { golden: "b2_bitnet_packed_bitlinear", architecture: "bitnet", type_id: type_id::F32 },
    Case { golden: "f_1bitllm_style_f16", architecture: "bitnet", type_id: type_id::F32 },
    Case { golden: "embedding_qwen3", architecture: "qwen3", type_id: type_id::I2_S },
];

#[test]
fn a_checkpoint_and_the_gguf_made_of_it_are_one_model() {
    for case in CASES {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(case.golden);
        let checkpoint = HfCheckpoint::open(&directory, case.golden).unwrap_or_else(|e| panic!("{e}"));
        let file = converted(&checkpoint, &case);
        let source = open(file.bytes()).unwrap_or_else(|e| panic!("{}: {e}", case.golden));
        assert_eq!(*source.config(), *checkpoint.config(), "{}", case.golden);
        for tensor in Schedule::of_floats(checkpoint.config()).iter() {
            let name = format!("{} {} {}", case.golden, tensor.role.name(), tensor.layer);
            match tensor.kind {
                TensorKind::Ternary => {
                    assert!(matrix(&source, &tensor) == matrix(&checkpoint, &tensor), "{name}");
                }
                TensorKind::Table | TensorKind::LowPlane => {
                    assert_eq!(source.table_layout(&tensor), checkpoint.table_layout(&tensor), "{name}");
                    assert!(table(&source, &tensor) == table(&checkpoint, &tensor), "{name}");
                }
                TensorKind::Vector => {
                    assert_eq!(source.vector(&tensor), checkpoint.vector(&tensor), "{name}");
                }
            }
        }
    }
}

/// Scale and trits.
fn matrix(source: &dyn Source, tensor: &ExpectedTensor) -> (f32, Vec<Vec<i8>>) {
    let (n, k) = (index(tensor.n), index(tensor.k));
    let mut rows = source.ternary(tensor).expect("rows");
    let (mut packed, mut trits) = (vec![0; i2::row_bytes(k)], vec![0; k]);
    let row = |row| {
        rows.pack_row(row, &mut packed).expect("a row");
        i2::unpack_row(&packed, &mut trits);
        trits.clone()
    };
    let all = (0..n).map(row).collect();
    (source.ternary(tensor).expect("rows").scale(), all)
}

fn table(source: &dyn Source, tensor: &ExpectedTensor) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut visit = |row: &[u8]| {
        bytes.extend(row);
        Ok(())
    };
    source.table_rows(tensor, &mut visit).expect("rows");
    bytes
}

fn index(n: u64) -> usize {
    usize::try_from(n).expect("small")
}

/// The file that a converter would write.
fn converted(source: &dyn Source, case: &Case) -> Gguf {
    let mut file = Gguf { version: 3, alignment: 32, pairs: Vec::new(), tensors: Vec::new() };
    metadata(&mut file, source.config(), case.architecture);
    for tensor in Schedule::of_floats(source.config()).iter() {
        let Some(stem) = stem(&tensor) else { continue };
        let name = format!("{stem}.weight");
        match tensor.kind {
            TensorKind::Ternary => {
                let (scale, rows) = matrix(source, &tensor);
                let trits = rows.concat();
                let data = match case.type_id {
                    type_id::I2_S => i2_s(&trits, scale),
                    _ => trits.iter().flat_map(|trit| (f32::from(*trit) * scale).to_le_bytes()).collect(),
                };
                file.add(&name, &[tensor.k, tensor.n], case.type_id, data);
            }
            TensorKind::Table | TensorKind::LowPlane => {
                let type_id = match source.table_layout(&tensor).expect("a table") {
                    Layout::Bf16 => type_id::BF16,
                    Layout::F16 => type_id::F16,
                    _ => type_id::F32,
                };
                file.add(&name, &[tensor.k, tensor.n], type_id, table(source, &tensor));
            }
            TensorKind::Vector => {
                let values = source.vector(&tensor).expect("values");
                let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                file.add(&name, &[tensor.k], type_id::F32, data);
            }
        }
    }
    file
}

fn metadata(file: &mut Gguf, config: &Config, name: &str) {
    file.set("general.architecture", Field::text(name));
    file.set("general.name", Field::text(&config.name));
    let numbers = [
        ("context_length", config.max_seq_len),
        ("embedding_length", config.dim),
        ("block_count", config.n_layers),
        ("feed_forward_length", config.hidden_dim),
        ("attention.head_count", config.n_heads),
        ("attention.head_count_kv", config.n_kv_heads),
        ("attention.key_length", config.head_dim),
        ("attention.value_length", config.head_dim),
        ("rope.dimension_count", config.head_dim),
        ("vocab_size", config.vocab_size),
    ];
    for (key, number) in numbers {
        file.set(&format!("{name}.{key}"), Field::U32(number));
    }
    if config.pooling.is_some() {
        file.set(&format!("{name}.pooling_type"), Field::U32(3));
    }
    file.set(&format!("{name}.attention.layer_norm_rms_epsilon"), Field::F32(config.norm_eps));
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^24 in these checkpoints")]
    file.set(&format!("{name}.rope.freq_base"), Field::F32(config.rope_theta as f32));
    if name == "bitnet" && config.hidden_act == HiddenAct::Relu2 {
        file.set("bitnet.hidden_activation", Field::text("relu2"));
    }
    let ids = [("bos", config.bos_token_id), ("eos", config.eos_token_ids.first().copied())];
    for (key, id) in ids {
        if let Some(id) = id {
            file.set(&format!("tokenizer.ggml.{key}_token_id"), Field::U32(id));
        }
    }
    if let Some(id) = config.eos_token_ids.get(1) {
        file.set("tokenizer.ggml.eot_token_id", Field::U32(*id));
    }
}

/// The names of llama.cpp's converter, and of bitnet.cpp's for the norms inside linears.
fn stem(tensor: &ExpectedTensor) -> Option<String> {
    let within_layer = match tensor.role {
        Role::TokenEmbedding => return Some("token_embd".into()),
        Role::FinalNorm => return Some("output_norm".into()),
        Role::LmHead => return Some("output".into()),
        Role::RopeInvFreq => return None,
        Role::AttnNorm => "attn_norm",
        Role::AttnSubNorm => "attn_sub_norm",
        Role::FfnNorm => "ffn_norm",
        Role::FfnSubNorm => "ffn_sub_norm",
        Role::Wq => "attn_q",
        Role::Wk => "attn_k",
        Role::Wv => "attn_v",
        Role::Wo => "attn_output",
        Role::WGate => "ffn_gate",
        Role::WUp => "ffn_up",
        Role::WDown => "ffn_down",
        Role::QNorm => "attn_q_norm",
        Role::KNorm => "attn_k_norm",
        Role::WqNorm => "attn_q_norm_in",
        Role::WkNorm => "attn_k_norm_in",
        Role::WvNorm => "attn_v_norm_in",
        Role::WoNorm => "attn_output_norm_in",
        Role::WGateNorm => "ffn_gate_norm_in",
        Role::WUpNorm => "ffn_up_norm_in",
        Role::WDownNorm => "ffn_down_norm_in",
        other => panic!("a checkpoint with a {}", other.name()),
    };
    Some(format!("blk.{}.{within_layer}", tensor.layer))
}

/// Blocks of 128: byte j holds weights j, 32+j, 64+j, 96+j, the first in the top bits.
fn i2_s(trits: &[i8], scale: f32) -> Vec<u8> {
    let byte = |block: &[i8], j: usize| {
        (0..4).fold(0, |byte, field| byte << 2 | (block[32 * field + j] + 1).cast_unsigned())
    };
    let blocks = trits.as_chunks::<128>().0.iter();
    let mut bytes: Vec<u8> = blocks.flat_map(|block| (0..32).map(move |j| byte(block, j))).collect();
    bytes.extend(scale.to_le_bytes());
    bytes.resize(bytes.len() + 28, 0);
    bytes
}
