//! Random weights: the same in every format, and with what knobs ask for

use std::path::PathBuf;
use std::{env, fs};

use half::{bf16, f16};
use ternlet::export::gguf::{EmbeddingBlocks, GgufKind, write_gguf};
use ternlet::import::foreign_model::ImportOptions;
use ternlet::import::gguf::Gguf;
use ternlet::pack::synth::{Knobs, Synth, shape_125m};
use ternlet::pack::{HeadForm, Source};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::config::HiddenAct;
use ternlet_runtime::format::{ExpectedTensor, Layout, Role, Schedule, TensorKind};
use ternlet_runtime::{Config, KvType, PlanOptions, Serial};
use ternlet_tests::{logits_of, with_synth};

/// A model of whole blocks of every type.
fn small() -> Config {
    Config {
        dim: 512,
        hidden_dim: 1024,
        n_layers: 4,
        n_heads: 8,
        n_kv_heads: 4,
        vocab_size: 900,
        ..shape_125m()
    }
}

/// A file of this test alone.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("ternlet-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn gguf_files_hold_the_matrices_of_the_packed_file() {
    let knobs = Knobs { gate_zeros: Some(0.8), ..Knobs::default() };
    let source = Synth::new(small(), 3).with_knobs(knobs).unwrap();
    for (kind, embedding, name) in [
        (GgufKind::I2S, EmbeddingBlocks::F16, "i2_s-f16"),
        (GgufKind::I2S, EmbeddingBlocks::Q6K, "i2_s-q6_k"),
        (GgufKind::Tq2_0, EmbeddingBlocks::F16, "tq2_0-f16"),
    ] {
        let scratch = Scratch::new(name);
        let bytes = write_gguf(&source, kind, embedding, &scratch.0).unwrap();
        let file = fs::read(&scratch.0).unwrap();
        assert_eq!(file.len() as u64, bytes, "{name}");
        let gguf = Gguf::read(file, "synth", &ImportOptions::default()).unwrap();
        assert_eq!(gguf.config().hidden_act, HiddenAct::Relu2, "{name}");
        assert_eq!(Config { name: source.config().name.clone(), ..gguf.config().clone() }, *source.config());
        for tensor in Schedule::of_floats(source.config()).iter() {
            let row_bytes = usize::try_from(tensor.k.div_ceil(64) * 16).unwrap();
            match tensor.kind {
                TensorKind::Ternary => {
                    let [mut ours, mut theirs] =
                        [source.ternary(&tensor).unwrap(), gguf.ternary(&tensor).unwrap()];
                    let rounded = f16::from_f32(ours.scale()).to_f32();
                    let expected = if kind == GgufKind::I2S { ours.scale() } else { rounded };
                    assert_eq!(theirs.scale(), expected, "{name}");
                    let [mut a, mut b] = [vec![0; row_bytes], vec![0; row_bytes]];
                    for row in 0..usize::try_from(tensor.n).unwrap() {
                        ours.pack_row(row, &mut a).unwrap();
                        theirs.pack_row(row, &mut b).unwrap();
                        assert_eq!(a, b, "{name}: {:?}, row {row}", tensor.role);
                    }
                }
                TensorKind::Vector => {
                    assert_eq!(source.vector(&tensor).unwrap(), gguf.vector(&tensor).unwrap(), "{name}");
                }
                TensorKind::Table | TensorKind::LowPlane => {
                    let tolerance = if embedding == EmbeddingBlocks::F16 { 1e-6 } else { 0.6 / 31.0 };
                    assert_tables_agree(&source, &gguf, tensor, tolerance, name);
                }
            }
        }
    }
}

/// Every weight within `tolerance` of the largest.
fn assert_tables_agree(
    ours: &dyn Source,
    theirs: &dyn Source,
    tensor: ExpectedTensor,
    tolerance: f32,
    name: &str,
) {
    let mut expected = Vec::new();
    ours.table_rows(&tensor, &mut |row| {
        expected.extend(row.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()));
        Ok(())
    })
    .expect("a table of random weights");
    let is_f16 = theirs.table_layout(&tensor).expect("a table") == Layout::F16;
    let mut found = Vec::new();
    theirs
        .table_rows(&tensor, &mut |row| {
            match is_f16 {
                true => found.extend(row.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())),
                false => found.extend(row.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
            }
            Ok(())
        })
        .expect("a table of the file");
    let largest = expected.iter().fold(0_f32, |max, value| max.max(value.abs()));
    assert_eq!(expected.len(), found.len(), "{name}");
    for (expected, found) in expected.iter().zip(found) {
        assert!((expected - found).abs() <= tolerance * largest, "{name}: {expected} became {found}");
    }
}

#[test]
fn models_without_a_name_elsewhere_are_refused_and_leave_no_file() {
    let scratch = Scratch::new("refused");
    let no_sub_norms = Config { has_sub_norms: false, hidden_act: HiddenAct::Silu, ..small() };
    let odd_rows = Config { hidden_dim: 1000, ..small() };
    for (config, kind, expected) in [
        (no_sub_norms, GgufKind::I2S, "sub-norms"),
        (odd_rows.clone(), GgufKind::Tq2_0, "whole blocks"),
        (odd_rows, GgufKind::I2S, "whole blocks"),
    ] {
        let source = Synth::new(config, 1);
        let refusal = write_gguf(&source, kind, EmbeddingBlocks::F16, &scratch.0).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!scratch.0.exists());
    }
}

#[test]
fn the_top_logit_stands_out_as_far_as_asked() {
    const SD: f32 = 6.0;
    let ids: Vec<u32> = (0..40).map(|i| i * 17).collect();
    let knobs = Knobs { top_sd: Some(SD), ..Knobs::default() };
    for tied_embedding in [true, false] {
        let config = Config { tied_embedding, vocab_size: 3000, ..small() };
        let source = Synth::new(config.clone(), 2).with_knobs(knobs).unwrap();
        let distances = with_synth(&source, HeadForm::Int8, |model| {
            let options = PlanOptions {
                context: 64,
                max_batch: 1,
                max_logit_rows: 1,
                max_top_k: 0,
                n_slots: 1,
                n_workers: 1,
                kv: KvType::F16,
                max_prompt_bytes: 0,
            };
            let kernels = Kernels::best(CpuFeatures::detect());
            let logits = logits_of(model, kernels, &Serial, &options, &ids, 8);
            logits.chunks_exact(3000).map(top_distance).collect::<Vec<f32>>()
        });
        let mean = distances.iter().sum::<f32>() / 40.0;
        assert!((mean - SD).abs() < 0.7, "tied {tied_embedding}: {mean} in {distances:?}");
    }
}

/// Standard deviations between the largest logit and the mean.
fn top_distance(logits: &[f32]) -> f32 {
    let n = 3000.0;
    let mean = logits.iter().sum::<f32>() / n;
    let variance = logits.iter().map(|logit| (logit - mean).powi(2)).sum::<f32>() / n;
    (logits.iter().copied().fold(f32::MIN, f32::max) - mean) / variance.sqrt()
}

#[test]
fn gates_close_for_other_neurons_with_every_token() {
    // The shift is in the weights, so one token's gates can be computed here: ffn_norm's bias against the row's other
    // terms. Here each gate row must hold the shift, and nothing may add to its inputs.
    let knobs = Knobs { gate_zeros: Some(0.8), ..Knobs::default() };
    let shifted = Synth::new(small(), 2).with_knobs(knobs).unwrap();
    for tensor in Schedule::of_floats(&small()).iter().filter(|t| t.kind == TensorKind::Ternary) {
        let row_bytes = usize::try_from(tensor.k.div_ceil(64) * 16).unwrap();
        let mut a = vec![0; row_bytes];
        for row in [0, 63, 64, 100] {
            shifted.ternary(&tensor).unwrap().pack_row(row, &mut a).unwrap();
            match tensor.role {
                Role::WGate => {
                    assert_eq!(a[..16], [0xc0; 16]);
                    assert_ne!(a[16..32], [0xc0; 16]);
                }
                Role::Wo | Role::WDown if row < 64 => assert!(a.iter().all(|&byte| byte == 0x15)),
                _ => assert!(a.iter().any(|&byte| byte != 0x15)),
            }
        }
    }
}
