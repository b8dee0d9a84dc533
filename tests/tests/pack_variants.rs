//! What the packer writes, the reader sees: every combination of head, tying and sub-norms
//!
//! The weights come from the generator, whose rows can be asked for again and compared with the file's.

use std::fs;
use std::path::{Path, PathBuf};

use ternlet::pack::synth::{Synth, shape_125m};
use ternlet::pack::{HeadForm, PackRequest, Source, pack};
use ternlet_runtime::config::HiddenAct;
use ternlet_runtime::format::{Layout, Schedule, TensorKind};
use ternlet_runtime::{Config, Model, ModelFile, Table};

/// Widths that fill no block, grouped queries, three layers.
fn config(tied_embedding: bool, has_sub_norms: bool) -> Config {
    let hidden_act = if has_sub_norms { HiddenAct::Relu2 } else { HiddenAct::Silu };
    let (dim, hidden_dim, n_layers, n_heads, n_kv_heads, head_dim) = (72, 200, 3, 4, 2, 10);
    let (vocab_size, max_seq_len) = (77, 64);
    Config {
        dim,
        hidden_dim,
        n_layers,
        n_heads,
        n_kv_heads,
        head_dim,
        vocab_size,
        max_seq_len,
        hidden_act,
        has_sub_norms,
        tied_embedding,
        ..shape_125m()
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.tern", std::process::id()))
}

fn pack_to(path: &Path, source: &Synth, head: HeadForm) {
    let request = PackRequest { source, tokenizer: None, chat_template: None, head, target: path };
    let written = pack(request, &|_, _| ()).expect("packs");
    assert_eq!(written, fs::metadata(path).expect("written").len());
}

#[test]
fn every_variant_reads_back_as_it_was_packed() {
    for (tied, sub_norms) in [(false, false), (false, true), (true, false), (true, true)] {
        for head in [HeadForm::Source, HeadForm::Int8] {
            let path = path(&format!("variant-{tied}-{sub_norms}-{head:?}"));
            let source = Synth::new(config(tied, sub_norms), 3);
            pack_to(&path, &source, head);
            let file = ModelFile::open(&path).expect("opens");
            let model = Model::parse(file.bytes()).expect("a whole model");
            model.verify_payload().expect("no damage");
            (0..).zip(model.tensors()).for_each(|(index, _)| model.verify_tensor(index).expect("valid"));
            assert_eq!(model.config(), source.config());
            check_layers(&model, &source);
            check_tables(&model, &source, head);
            fs::remove_file(&path).expect("removed");
        }
    }
}

/// Every ternary matrix, byte for byte, through the accessor that the transformer uses.
fn check_layers(model: &Model<'_>, source: &Synth) {
    let config = source.config();
    let schedule: Vec<_> = Schedule::new(config, false, false).iter().collect();
    for layer in 0..config.n_layers as usize {
        let weights = model.layer(layer);
        let found =
            [weights.wq, weights.wk, weights.wv, weights.wo, weights.w_gate, weights.w_up, weights.w_down];
        let expected =
            schedule.iter().filter(|t| usize::from(t.layer) == layer && t.kind == TensorKind::Ternary);
        for (tensor, found) in expected.zip(found) {
            let mut rows = source.ternary(tensor).expect("rows");
            assert_eq!((found.n as u64, found.k as u64, found.scale), (tensor.n, tensor.k, rows.scale()));
            let mut row = vec![0; found.bytes.len() / found.n];
            for (index, bytes) in found.bytes.chunks(row.len()).enumerate() {
                rows.pack_row(index, &mut row).expect("a row");
                assert_eq!(bytes, row, "{} row {index}", tensor.role.name());
            }
        }
        assert_eq!(weights.attn_sub_norm.map(<[f32]>::len), config.has_sub_norms.then_some(40));
        assert_eq!(weights.ffn_sub_norm.map(<[f32]>::len), config.has_sub_norms.then_some(200));
        assert_eq!((weights.attn_norm.len(), weights.ffn_norm.len()), (72, 72));
    }
}

/// The embedding and head: exact as stored, or within half a step of it.
fn check_tables(model: &Model<'_>, source: &Synth, head: HeadForm) {
    let tied = source.config().tied_embedding;
    let tables = Schedule::new(source.config(), false, false);
    let found = [model.token_embedding(), model.lm_head()];
    for (tensor, found) in tables.iter().filter(|t| t.kind == TensorKind::Table).zip(found) {
        assert_eq!(source.table_layout(&tensor).expect("a table"), Layout::Bf16);
        let mut stored: Vec<u16> = Vec::new();
        let mut visit = |row: &[u8]| {
            stored.extend(row.as_chunks().0.iter().map(|&b| u16::from_le_bytes(b)));
            Ok(())
        };
        source.table_rows(&tensor, &mut visit).expect("rows");
        match found {
            Table::Bf16(found) => assert_eq!(found, stored),
            Table::I8 { rows, row_scale } => {
                assert_eq!(head, HeadForm::Int8);
                for (index, (&code, &bits)) in rows.iter().zip(&stored).enumerate() {
                    let scale = row_scale[index / 72];
                    let weight = f32::from_bits(u32::from(bits) << 16);
                    let error = (f32::from(code) * scale - weight).abs();
                    assert!(error <= 0.5001 * scale, "element {index}: {weight} became {code} x {scale}");
                }
            }
            other => panic!("another layout: {other:?}"),
        }
    }
    let is_i8 = |table| matches!(table, Table::I8 { .. });
    assert_eq!(is_i8(model.lm_head()), head == HeadForm::Int8);
    assert_eq!(
        is_i8(model.token_embedding()),
        head == HeadForm::Int8 && tied,
        "an untied embedding stays as stored"
    );
}

#[test]
fn the_same_seed_gives_the_same_file() {
    let file = |name: &str, seed| {
        let path = path(name);
        pack_to(&path, &Synth::new(config(true, true), seed), HeadForm::Int8);
        let bytes = fs::read(&path).expect("written");
        fs::remove_file(&path).expect("removed");
        bytes
    };
    assert!(file("seed-1", 1) == file("seed-1-again", 1));
    assert!(file("seed-1", 1) != file("seed-2", 2));
}
