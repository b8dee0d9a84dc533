//! A small checkpoint of the bitnet kind, in memory until written

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// How the ternary matrices are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Master,
    PackedMultiply,
    PackedDivide,
    OneBitLlm,
    /// Llama's block, scales that divide.
    Llama,
}

/// One tensor.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    /// f32 values of changing size and sign around `size`.
    pub(crate) fn floats(shape: &[usize], size: f32) -> Self {
        let value = |i: usize| size * [1.0, -0.4, 0.1, -1.5, 0.7][i % 5];
        let n = shape.iter().product();
        let bytes = (0..n).flat_map(|i| value(i).to_le_bytes()).collect();
        Self { dtype: "F32", shape: shape.to_vec(), bytes }
    }

    /// The same byte throughout.
    pub(crate) fn bytes(shape: &[usize], byte: u8) -> Self {
        Self { dtype: "U8", shape: shape.to_vec(), bytes: vec![byte; shape.iter().product()] }
    }

    /// Overwrites element `index` of an F32 tensor.
    pub(crate) fn put_float(&mut self, index: usize, value: f32) {
        assert_eq!(self.dtype, "F32");
        self.bytes[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }
}

/// A checkpoint in the making; every field may be spoiled.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) config: Value,
    /// Written in place of `config`.
    pub(crate) raw_config: Option<String>,
    pub(crate) tensors: BTreeMap<String, Tensor>,
    /// 0: no weights; 1: one file; more: shards with an index.
    pub(crate) n_shards: usize,
    /// Cuts the single file.
    pub(crate) keep_bytes: Option<usize>,
    pub(crate) omit_last_shard: bool,
    /// In front of every file name in the index.
    pub(crate) index_prefix: String,
    /// A tensor that all shards hold.
    pub(crate) doubled: Option<String>,
}

impl Checkpoint {
    /// Two layers, dim 16, ffn 24, 4 heads and 2 KV heads, 32 ids, tied.
    pub(crate) fn new(form: Form) -> Self {
        let mut config = json!({
            "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_act": "relu2",
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "vocab_size": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "tie_word_embeddings": true, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2,
            "quantization_config": match form {
                Form::Master => json!({"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}),
                Form::PackedMultiply => json!({"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}),
                Form::PackedDivide | Form::Llama => json!({"quant_method": "bitnet"}),
                Form::OneBitLlm => Value::Null,
            },
        });
        let mut sub_norms = ["attn_sub_norm", "ffn_sub_norm"];
        if form == Form::OneBitLlm {
            config["architectures"] = json!(["BitnetForCausalLM"]);
            config["weight_bits"] = json!(1);
            sub_norms = ["inner_attn_ln", "ffn_layernorm"];
        }
        if form == Form::Llama {
            config["architectures"] = json!(["LlamaForCausalLM"]);
            config["hidden_act"] = json!("silu");
        }
        let mut tensors = BTreeMap::new();
        let mut insert = |name: String, tensor| drop(tensors.insert(name, tensor));
        insert("model.embed_tokens.weight".into(), Tensor::floats(&[32, 16], 0.5));
        insert("model.norm.weight".into(), Tensor::floats(&[16], 1.0));
        for layer in 0..2 {
            let name = |within: &str| format!("model.layers.{layer}.{within}.weight");
            for (within, k) in [("input_layernorm", 16), ("post_attention_layernorm", 16)] {
                insert(name(within), Tensor::floats(&[k], 1.0));
            }
            if form != Form::Llama {
                insert(name(&format!("self_attn.{}", sub_norms[0])), Tensor::floats(&[16], 1.0));
                insert(name(&format!("mlp.{}", sub_norms[1])), Tensor::floats(&[24], 1.0));
            }
            for (within, n, k) in [
                ("self_attn.q_proj", 16, 16),
                ("self_attn.k_proj", 8, 16),
                ("self_attn.v_proj", 8, 16),
                ("self_attn.o_proj", 16, 16),
                ("mlp.gate_proj", 24, 16),
                ("mlp.up_proj", 24, 16),
                ("mlp.down_proj", 16, 24),
            ] {
                if matches!(form, Form::Master | Form::OneBitLlm) {
                    insert(name(within), Tensor::floats(&[n, k], 0.05));
                } else {
                    insert(name(within), Tensor::bytes(&[n / 4, k], 0b1000_0110));
                    let scale = if form == Form::PackedMultiply { 0.5 } else { 2.0 };
                    insert(format!("{}_scale", name(within)), Tensor::floats(&[1], scale));
                }
            }
        }
        Self {
            config,
            raw_config: None,
            tensors,
            n_shards: 1,
            keep_bytes: None,
            omit_last_shard: false,
            index_prefix: String::new(),
            doubled: None,
        }
    }

    /// Writes the folder.
    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir(folder).expect("created");
        let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("written");
        write("config.json", self.raw_config.clone().unwrap_or_else(|| self.config.to_string()).as_bytes());
        if self.n_shards == 1 {
            let mut file = safetensors(self.tensors.iter());
            file.truncate(self.keep_bytes.unwrap_or(file.len()));
            write("model.safetensors", &file);
        }
        if self.n_shards < 2 {
            return;
        }
        let mut map = serde_json::Map::new();
        for shard in 0..self.n_shards {
            let file = format!("model-{}.safetensors", shard + 1);
            let is_here = |index: usize, name: &String| {
                index % self.n_shards == shard || self.doubled.as_ref() == Some(name)
            };
            let here = self.tensors.iter().enumerate().filter(|(index, (name, _))| is_here(*index, name));
            let here: Vec<_> = here.map(|(_, entry)| entry).collect();
            for (name, _) in &here {
                map.insert((*name).clone(), json!(format!("{}{file}", self.index_prefix)));
            }
            if shard + 1 < self.n_shards || !self.omit_last_shard {
                write(&file, &safetensors(here.into_iter()));
            }
        }
        write("model.safetensors.index.json", json!({ "weight_map": map }).to_string().as_bytes());
    }
}

/// The file format: header length, JSON header, data.
fn safetensors<'a>(tensors: impl Iterator<Item = (&'a String, &'a Tensor)>) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::<u8>::new());
    for (name, tensor) in tensors {
        let start = data.len();
        data.extend(&tensor.bytes);
        let entry =
            json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}
