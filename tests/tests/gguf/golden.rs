//! A whole file by another hand, run: the logits of transformers
//!
//! `llama_i2_s.gguf` was written with the `gguf` package: architecture llama with permuted queries and keys, `I2_S`,
//! f16 embedding and head. The expected values are those of transformers on the weights that the file encodes, in f32;
//! see `tests/golden/README.md`.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use serde_json::Value;
use ternlet::import::foreign_model::{ForeignModel, ImportOptions};
use ternlet::pack::{HeadForm, PackRequest, pack};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{KvType, Model, ModelFile, PlanOptions, Serial, argmax};
use ternlet_tests::{NpyArray, logits_of};

/// Largest error of a logit; an independent implementation in numpy came within 1.2e-5.
const STRICT: f32 = 2e-4;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gguf").join(name)
}

#[test]
fn a_llama_file_of_type_i2_s_computes_what_transformers_computes() {
    let options = ImportOptions { no_tokenizer: true, ..ImportOptions::default() };
    let source = ForeignModel::open(&golden("llama_i2_s.gguf"), &options).unwrap_or_else(|e| panic!("{e}"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gguf-{}.tern", process::id()));
    let request = PackRequest::weights(&*source.weights, HeadForm::Source, &target);
    pack(request, &|_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    let file = ModelFile::open(&target).expect("written");
    fs::remove_file(&target).expect("a file of this test");
    let model = Model::parse(file.bytes()).expect("a whole model");
    assert_eq!(model.config().name, "llama_i2_s");
    assert!(!model.config().tied_embedding);

    let expected = fs::read(golden("llama_i2_s.expected.json")).expect("expected values");
    let expected: Value = serde_json::from_slice(&expected).expect("JSON");
    let ids = |json: &Value| serde_json::from_value::<Vec<u32>>(json.clone()).expect("ids");
    let (prompt, greedy) = (ids(&expected["input_ids"]), ids(&expected["greedy_f32"]["ids"]));
    // The last greedy id is chosen and not run.
    let all = [&prompt[..], &greedy[..greedy.len() - 1]].concat();
    let n = u32::try_from(all.len()).expect("few");
    let options = PlanOptions { context: n, kv: KvType::F32, max_prompt_bytes: 0, ..PlanOptions::default() };
    let kernels = Kernels::best(CpuFeatures::detect());
    let found = logits_of(&model, kernels, &Serial, &options, &all, n);

    let vocab_size = model.config().vocab_size as usize;
    let (in_prompt, continued) =
        (&found[..prompt.len() * vocab_size], &found[(prompt.len() - 1) * vocab_size..]);
    for (name, found) in [("logits", in_prompt), ("greedy_logits", continued)] {
        let expected = NpyArray::read(&golden(&format!("llama_i2_s.{name}_f32.npy"))).values;
        assert_eq!(found.len(), expected.len(), "{name}");
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        eprintln!("llama_i2_s.gguf {name}: {worst:.1e}");
        assert!(worst <= STRICT, "{name} differ by {worst:e}, at most {STRICT:e} may");
    }
    let chosen: Vec<usize> = continued.chunks_exact(vocab_size).map(argmax).map(|id| id as usize).collect();
    assert!(chosen.iter().zip(&greedy).all(|(a, b)| *a == *b as usize), "greedy ids: {chosen:?}");
}
