//! One case: its files, and its checkpoint packed into a model file

use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use ternlet::import::hf_checkpoint::HfCheckpoint;
use ternlet::pack::{HeadForm, Layouts, PackRequest, Source as _, Target, pack};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{KvType, Model, ModelFile, PlanOptions, Serial};
use ternlet_tests::{NpyArray, logits_of};

/// A directory of `tests/golden/` that holds a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
}

/// Scales multiply (autobitlinear), magnitudes as in the 2B-4T checkpoint.
pub(crate) const MULTIPLYING: Case = Case { name: "a2_bitnet_hubscale_packed" };
/// Scales divide (bitlinear); comes with a trace.
pub(crate) const DIVIDING: Case = Case { name: "b2_bitnet_packed_bitlinear" };
/// f16 masters under 1bitLLM's names, `SiLU`.
pub(crate) const MASTERS: Case = Case { name: "f_1bitllm_style_f16" };
/// Llama's block, tied, with rotary frequencies scaled as in Llama 3.1; scales divide.
pub(crate) const LLAMA_SCALED_ROPE: Case = Case { name: "c4_llama_rope_llama3" };
/// Llama's block in three shards, weights and their scales in different ones.
pub(crate) const LLAMA_SHARDED: Case = Case { name: "c2s_llama_packed_tied_sharded" };
/// Llama's block, untied, with a norm inside every linear; scales divide.
pub(crate) const LLAMA_LINEAR_NORMS: Case = Case { name: "c3_llama_packed_use_rms_norm" };
/// An embedding model: norms of queries and keys and in every linear, pooled at the last token.
pub(crate) const EMBEDDING: Case = Case { name: "embedding_qwen3" };

/// Every case that holds a checkpoint.
pub(crate) const CASES: [Case; 6] =
    [MULTIPLYING, DIVIDING, MASTERS, LLAMA_SCALED_ROPE, LLAMA_SHARDED, LLAMA_LINEAR_NORMS];

impl Case {
    /// The path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(self.name).join(name)
    }

    /// `expected.json` and its like.
    pub(crate) fn json(&self, name: &str) -> Value {
        let path = self.file(name);
        let text = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The reference's array `name`, `[rows, vocab_size]`.
    pub(crate) fn logits(&self, name: &str) -> Vec<f32> {
        NpyArray::read(&self.file(name)).values
    }

    /// The prompt of the strict rule.
    pub(crate) fn input_ids(&self) -> Vec<u32> {
        ids(&self.json("expected.json")["input_ids"])
    }

    /// The ids that the reference appends to the prompt, each the one with the largest logit.
    pub(crate) fn greedy_ids(&self) -> Vec<u32> {
        ids(&self.json("expected.json")["greedy_f32"]["ids"])
    }

    /// Packs the checkpoint and hands the model to `body`.
    pub(crate) fn with_model<R>(&self, head: HeadForm, body: impl FnOnce(&Model<'_>) -> R) -> R {
        with_packed(&self.file(""), self.name, head, None, body)
    }

    /// Packs the checkpoint in `layouts` and hands the model to `body`.
    pub(crate) fn with_model_in<R>(&self, layouts: Layouts, body: impl FnOnce(&Model<'_>) -> R) -> R {
        with_packed(&self.file(""), self.name, HeadForm::Source, Some(layouts), body)
    }
}

/// Packs the checkpoint in `directory`, in `layouts` or those for any machine, and hands the model to `body`.
pub(crate) fn with_packed<R>(
    directory: &Path,
    name: &str,
    head: HeadForm,
    layouts: Option<Layouts>,
    body: impl FnOnce(&Model<'_>) -> R,
) -> R {
    static N_PACKED: AtomicU32 = AtomicU32::new(0);
    let n = N_PACKED.fetch_add(1, Ordering::Relaxed);
    let target =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("golden-{}-{n}.tern", std::process::id()));
    let source = HfCheckpoint::open(directory, name).unwrap_or_else(|e| panic!("{e}"));
    let layouts = layouts.unwrap_or_else(|| Layouts::for_target(Target::Any, source.config().hidden_act));
    let request = PackRequest { layouts, ..PackRequest::weights(&source, head, &target) };
    pack(request, &|_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    let file = ModelFile::open(&target).unwrap_or_else(|e| panic!("{}: {e}", target.display()));
    // Mapped, the file needs no name any more; without one nothing is left behind when a test fails.
    fs::remove_file(&target).expect("a file of this test");
    let model = Model::parse(file.bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
    body(&model)
}

/// A JSON array of token ids.
pub(crate) fn ids(json: &Value) -> Vec<u32> {
    serde_json::from_value(json.clone()).expect("an array of token ids")
}

/// A session's options for `n` ids.
pub(crate) fn options(n: usize, kv: KvType) -> PlanOptions {
    let context = u32::try_from(n).expect("a short prompt");
    PlanOptions { context, kv, max_prompt_bytes: 0, ..PlanOptions::default() }
}

/// The logits of all positions of `ids`, in one pass on the best kernels of this CPU.
pub(crate) fn logits(model: &Model<'_>, kv: KvType, ids: &[u32]) -> Vec<f32> {
    let kernels = Kernels::best(CpuFeatures::detect());
    let options = options(ids.len(), kv);
    logits_of(model, kernels, &Serial, &options, ids, options.context)
}
