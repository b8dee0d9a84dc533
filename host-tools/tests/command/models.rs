//! `ternlet models`: figures that are those of packed files

use std::fs;

use serde_json::Value;
use ternlet::footprint::{Footprint, parameters};
use ternlet::known_models::KNOWN_MODELS;
use ternlet::pack::synth::Synth;
use ternlet::pack::{HeadForm, PackRequest, pack};
use ternlet_runtime::format::Layout;

use crate::program::{Folder, run};

/// Each known shape made small is packed from random weights: the file, and what `inspect` says of it, are what the
/// arithmetic behind the list gives.
#[test]
fn computed_sizes_are_those_of_packed_files() {
    let folder = Folder::new();
    let target = folder.path().join("out.tern");
    let mut n_seen = 0;
    for mut config in KNOWN_MODELS.iter().filter_map(|model| model.config()) {
        config.dim /= 8;
        config.hidden_dim /= 8;
        config.head_dim = config.head_dim / 8 * 2;
        config.n_layers = 2;
        config.vocab_size /= 64;
        for head in [HeadForm::Source, HeadForm::Int8] {
            let source = Synth::new(config.clone(), 1);
            let request = PackRequest::weights(&source, head, &target);
            let written = pack(request, &|_, _| ()).expect("packed");
            let computed = Footprint::new(&config, Layout::Bf16, head).expect("small");
            assert_eq!(computed.file_bytes, written, "{}", config.name);
            let inspected = run(&["inspect", "--json", target.to_str().expect("UTF-8")]);
            let report: Value = serde_json::from_slice(&inspected.stdout).expect("JSON");
            assert_eq!(report["ram_total_bytes"], computed.memory_bytes, "{}", config.name);
            let (all, ternary) = parameters(&config);
            assert_eq!(report["parameters"], all, "{}", config.name);
            assert_eq!(report["ternary_parameters"], ternary, "{}", config.name);
            n_seen += 1;
        }
    }
    assert!(n_seen >= 20, "expected two heads of each known shape, found {n_seen}");
    fs::remove_file(target).expect("there");
}

#[test]
fn the_list_is_for_people_and_for_programs() {
    let output = run(&["models"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success() && output.stderr.is_empty());
    let line = text.lines().find(|line| line.starts_with("hf:microsoft/bitnet-b1.58-2B-4T "));
    let line = line.unwrap_or_else(|| panic!("expected the model in:\n{text}"));
    for word in ["2.41 B", "1.18 GB", "MIT"] {
        assert!(line.contains(word), "expected {word} in: {line}");
    }
    assert!(text.contains("2048 tokens") && text.contains("ternlet pack hf:"), "{text}");

    let output = run(&["models", "--json"]);
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(rows.len(), KNOWN_MODELS.len());
    for row in &rows {
        assert!(row["source"].as_str().is_some_and(|source| source.starts_with("hf:")), "{row}");
        assert!(row["licence"].as_str().is_some_and(|licence| !licence.is_empty()), "{row}");
    }
    assert!(rows.iter().any(|row| row["parameters"].is_null()), "expected what is not known to be null");
}
