//! `ternlet inspect`: what a person wants to know of a model file, then its tensors

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use ternlet::footprint::usual_session;
use ternlet_runtime::format::{NO_LAYER, Order, Role, TensorEntry};
use ternlet_runtime::{KvType, MemoryPlan, Model, Pooling};

use crate::error::Error;
use crate::open::with_model;
use crate::output::out;

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Packed model [default: the shipped one]
    file: Option<PathBuf>,
    /// Context in tokens of the memory figure [default: 2048, or the model's maximum]
    #[arg(long, value_name = "N")]
    ctx: Option<u32>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// The report, field for field as JSON has it.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    file_id: String,
    file_bytes: u64,
    parameters: u64,
    ternary_parameters: u64,
    bits_per_weight: f64,
    bits_per_ternary_weight: f64,
    weight_bytes_per_token: u64,
    ram_context: u32,
    ram_kv: &'static str,
    ram_session_bytes: u64,
    ram_total_bytes: u64,
    dim: u32,
    hidden_dim: u32,
    n_layers: u32,
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    vocab_size: u32,
    max_seq_len: u32,
    norm_eps: f32,
    rope_theta: f64,
    hidden_act: &'static str,
    has_sub_norms: bool,
    has_qk_norm: bool,
    linear_norm_eps: Option<f32>,
    tied_embedding: bool,
    pooling: Option<&'static str>,
    bos_token_id: Option<u32>,
    eos_token_ids: Vec<u32>,
    tokenizer_bytes: usize,
    chat_template_bytes: usize,
    system_text: Option<String>,
    system_ids: usize,
    system_cache_bytes: usize,
    self_test_ids: usize,
    layouts: Vec<OfLayout>,
    tensors: Vec<Tensor>,
}

/// What is stored in one layout.
#[derive(Debug, Serialize)]
struct OfLayout {
    layout: String,
    /// The roles, in file order.
    roles: Vec<&'static str>,
    bytes: u64,
}

/// One line of the tensor table.
#[derive(Debug, Serialize)]
struct Tensor {
    name: String,
    layout: String,
    shape: [u64; 2],
    scale: f32,
    offset: u64,
    bytes: u64,
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs) -> Result<(), Error> {
    let inspected = with_model(args.file.as_deref(), |model| {
        let report = Report::new(&model, args.ctx)?;
        if args.json {
            let json = serde_json::to_string_pretty(&report).map_err(|e| Error::new("--json", e))?;
            return out(format_args!("{json}\n"));
        }
        out(format_args!("{}", report.text()))
    });
    inspected.map_err(|e| e.during("inspect"))
}

impl Report {
    fn new(model: &Model<'_>, context: Option<u32>) -> Result<Self, Error> {
        let config = model.config();
        let options = usual_session(config, context, model.usual_top_k());
        let context = options.context;
        let plan = MemoryPlan::new(config, &options).map_err(|e| Error::new("--ctx", e))?;
        let session_bytes = plan.bytes() as u64;
        let elements = |entry: &TensorEntry| entry.n * entry.k;
        let (ternary, other): (Vec<_>, Vec<_>) = model.tensors().partition(|entry| entry.layout.is_ternary());
        let ternary_parameters: u64 = ternary.iter().map(elements).sum();
        // Frequencies, row scales and bounds are derived from other figures, and the low plane is a part of what the high
        // plane counts: no parameters, but bytes.
        let is_parameter = |entry: &&TensorEntry| {
            use Role::{
                LmHeadBound, LmHeadLow, LmHeadScale, RopeInvFreq, TokenEmbeddingBound, TokenEmbeddingLow,
                TokenEmbeddingScale,
            };
            !matches!(
                entry.role,
                RopeInvFreq
                    | TokenEmbeddingScale
                    | TokenEmbeddingBound
                    | TokenEmbeddingLow
                    | LmHeadScale
                    | LmHeadBound
                    | LmHeadLow
            )
        };
        let parameters = ternary_parameters + other.iter().filter(is_parameter).map(elements).sum::<u64>();
        let bytes = |entries: &[TensorEntry]| entries.iter().map(|entry| entry.length).sum::<u64>();
        Ok(Self {
            name: config.name.as_str().into(),
            file_id: format!("{:016x}", model.file_id()),
            file_bytes: model.file_bytes(),
            parameters,
            ternary_parameters,
            bits_per_weight: bits(bytes(&ternary) + bytes(&other), parameters),
            bits_per_ternary_weight: bits(bytes(&ternary), ternary_parameters),
            weight_bytes_per_token: model.weight_bytes_per_token(),
            ram_context: context,
            ram_kv: KvType::F16.name(),
            ram_session_bytes: session_bytes,
            ram_total_bytes: session_bytes + model.file_bytes(),
            dim: config.dim,
            hidden_dim: config.hidden_dim,
            n_layers: config.n_layers,
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            vocab_size: config.vocab_size,
            max_seq_len: config.max_seq_len,
            norm_eps: config.norm_eps,
            rope_theta: config.rope_theta,
            hidden_act: config.hidden_act.name(),
            has_sub_norms: config.has_sub_norms,
            has_qk_norm: config.has_qk_norm,
            linear_norm_eps: config.linear_norm_eps,
            tied_embedding: config.tied_embedding,
            pooling: config.pooling.map(Pooling::name),
            bos_token_id: config.bos_token_id,
            eos_token_ids: config.eos_token_ids.to_vec(),
            tokenizer_bytes: model.tokenizer_bytes().map_or(0, <[u8]>::len),
            chat_template_bytes: model.chat_template_bytes().map_or(0, <[u8]>::len),
            system_text: model.system().map(|system| system.text.into()),
            system_ids: model.system().map_or(0, |system| system.ids.len()),
            system_cache_bytes: model.system().map_or(0, |system| system.positions.len()),
            self_test_ids: model.self_test().map_or(0, |test| test.ids.len()),
            layouts: by_layout(model.tensors()),
            tensors: model.tensors().map(|entry| Tensor::new(&entry)).collect(),
        })
    }

    /// What distinguishes this model's block from others.
    fn block(&self) -> String {
        let qk_norm = if self.has_qk_norm { ", normed queries and keys" } else { "" };
        let linear_norms = match self.linear_norm_eps {
            Some(eps) => format!(", a norm in every linear layer (eps {eps:e})"),
            None => String::new(),
        };
        format!(
            "{}, {} sub-norms{qk_norm}{linear_norms}, {} head, theta {}, eps {:e}",
            self.hidden_act,
            if self.has_sub_norms { "with" } else { "without" },
            match (self.pooling, self.tied_embedding) {
                (Some(_), _) => "no",
                (None, true) => "tied",
                (None, false) => "own",
            },
            self.rope_theta,
            self.norm_eps
        )
    }

    /// The report for people.
    fn text(&self) -> String {
        let present = |bytes: usize| if bytes > 0 { format!("{bytes} bytes") } else { "none".into() };
        let mut text = String::new();
        let mut line = |label: &str, value: String| {
            text.push_str(&format!("{label:<18}{value}\n"));
        };
        line("name", self.name.clone());
        line("parameters", format!("{} ({} ternary)", self.parameters, self.ternary_parameters));
        line(
            "bits per weight",
            format!("{:.3} ({:.3} in ternary matrices)", self.bits_per_weight, self.bits_per_ternary_weight),
        );
        line("on disk", format!("{} bytes", self.file_bytes));
        line(
            "in memory",
            format!(
                "{} bytes with a context of {} ({} KV cache): the file and {} for the session",
                self.ram_total_bytes, self.ram_context, self.ram_kv, self.ram_session_bytes
            ),
        );
        line("read per token", format!("{} bytes of weights", self.weight_bytes_per_token));
        line(
            "shape",
            format!(
                "dim {}, hidden_dim {}, {} layers, {} heads, {} KV heads x {}, vocabulary {}, context {}",
                self.dim,
                self.hidden_dim,
                self.n_layers,
                self.n_heads,
                self.n_kv_heads,
                self.head_dim,
                self.vocab_size,
                self.max_seq_len
            ),
        );
        line("block", self.block());
        if let Some(pooling) = self.pooling {
            line("gives", format!("an embedding of {} numbers, {pooling} pooled", self.dim));
        }
        line("tokenizer", present(self.tokenizer_bytes));
        line("chat template", present(self.chat_template_bytes));
        let system = self.system_text.as_ref().map_or("none".into(), |text| {
            let (n_ids, n_bytes) = (self.system_ids, self.system_cache_bytes);
            format!("{text:?}, {n_ids} ids, prefilled in {n_bytes} bytes of f16 KV cache")
        });
        line("system message", system);
        line("self-test", format!("{} ids", self.self_test_ids));
        line("file id", self.file_id.clone());
        for of in &self.layouts {
            line(&format!("in {}", of.layout), format!("{} bytes: {}", of.bytes, of.roles.join(", ")));
        }
        text.push_str(&format!(
            "\n{:<34}{:<14}{:>20}{:>16}{:>14}\n",
            "tensor", "layout", "shape", "scale", "bytes"
        ));
        for tensor in &self.tensors {
            let shape = format!("[{}, {}]", tensor.shape[0], tensor.shape[1]);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<34}{:<14}{shape:>20}{:>16}{:>14}",
                tensor.name, tensor.layout, tensor.scale, tensor.bytes
            );
        }
        text
    }
}

impl Tensor {
    fn new(entry: &TensorEntry) -> Self {
        let name = match entry.layer {
            NO_LAYER => entry.role.name().into(),
            layer => format!("layer {layer} {}", entry.role.name()),
        };
        Self {
            name,
            layout: layout_name(entry),
            shape: [entry.n, entry.k],
            scale: entry.scale,
            offset: entry.offset,
            bytes: entry.length,
        }
    }
}

/// The tensor's layout, and order if columns lie together.
fn layout_name(entry: &TensorEntry) -> String {
    match entry.order {
        Order::RowMajor => entry.layout.name().into(),
        Order::ColumnMajor => format!("{} by column", entry.layout.name()),
    }
}

/// The tensors by layout, in the order in which layouts appear.
fn by_layout(tensors: impl Iterator<Item = TensorEntry>) -> Vec<OfLayout> {
    let mut all: Vec<OfLayout> = Vec::new();
    for entry in tensors {
        let (layout, role) = (layout_name(&entry), entry.role.name());
        match all.iter_mut().find(|of| of.layout == layout) {
            Some(of) => {
                of.bytes += entry.length;
                if !of.roles.contains(&role) {
                    of.roles.push(role);
                }
            }
            None => all.push(OfLayout { layout, roles: vec![role], bytes: entry.length }),
        }
    }
    all
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn bits(bytes: u64, weights: u64) -> f64 {
    bytes as f64 * 8.0 / weights as f64
}
