//! `ternlet verify FILE --against SOURCE`: equal, or which tensor is not

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::pack_refuses::checkpoint::{Checkpoint, Form, Tensor};
use crate::program::{Folder, run};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/");

/// Packs `source` with `flags` and verifies the file against `other`.
fn pack_and_verify(folder: &Folder, source: &str, flags: &[&str], other: &str) -> Output {
    let file = folder.file("out.tern");
    let packed = run(&[&["pack", source, "-o", &file], flags].concat());
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    run(&["verify", &file, "--against", other])
}

/// The report of a file that is as its source says.
fn equal(output: &Output) -> String {
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("every tensor bit for bit"), "{report}");
    report
}

#[test]
fn every_form_of_checkpoint_and_head_is_equal_to_its_source() {
    for form in [Form::Master, Form::PackedMultiply, Form::PackedDivide, Form::OneBitLlm, Form::Llama] {
        for head in ["source", "int8"] {
            let folder = Folder::new();
            let checkpoint = Checkpoint { n_shards: 2, ..Checkpoint::new(form) };
            checkpoint.write(Path::new(&folder.file("checkpoint")));
            let source = folder.file("checkpoint");
            equal(&pack_and_verify(&folder, &source, &["--head", head, "--name", "of the user"], &source));
        }
    }
}

#[test]
fn golden_files_of_both_kinds_are_equal_to_their_sources() {
    for name in ["c3_llama_packed_use_rms_norm", "f_1bitllm_style_f16", "gguf/llama_i2_s.gguf"] {
        let folder = Folder::new();
        let source = format!("{GOLDEN}{name}");
        let report = equal(&pack_and_verify(&folder, &source, &[], &source));
        assert!(report.contains("w_down") && report.contains("all ternary"), "{report}");
    }
}

/// Packs a checkpoint, changes it, and verifies the file against what it became: status 1, and `words` are named.
fn different(form: Form, words: &[&str], change: impl FnOnce(&mut Checkpoint)) {
    let folder = Folder::new();
    let mut checkpoint = Checkpoint::new(form);
    checkpoint.write(Path::new(&folder.file("checkpoint")));
    change(&mut checkpoint);
    checkpoint.write(Path::new(&folder.file("changed")));
    let output = pack_and_verify(&folder, &folder.file("checkpoint"), &[], &folder.file("changed"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{words:?}: {stdout}{stderr}");
    assert!(stderr.starts_with("ternlet: verify: "), "{stderr}");
    // Where shapes differ nothing is counted, and nothing found in order.
    assert!(!stdout.contains("nothing odd") || stdout.contains("all ternary"), "{stdout}");
    for word in words {
        assert!(stderr.lines().any(|line| line.contains(word)), "{word}: {stderr}");
        assert!(stdout.lines().any(|line| line.starts_with("differs: ") && line.contains(word)), "{stdout}");
    }
}

#[test]
fn one_changed_number_is_found_and_named() {
    let change = |name: &'static str, index, value| {
        move |c: &mut Checkpoint| c.tensors.get_mut(name).expect("there").put_float(index, value)
    };
    let up = "model.layers.1.mlp.up_proj.weight";
    different(Form::PackedMultiply, &["layer 1 w_up: other trits in row 0"], |c| {
        c.tensors.get_mut(up).expect("there").bytes[3] ^= 0b10;
    });
    different(
        Form::PackedDivide,
        &["layer 1 w_up: expected scale"],
        change("model.layers.1.mlp.up_proj.weight_scale", 0, 2.1),
    );
    different(
        Form::Llama,
        &["layer 0 attn_norm: another value at element 7"],
        change("model.layers.0.input_layernorm.weight", 7, 3.0),
    );
    different(
        Form::Llama,
        &["token_embedding: other weights in row 2"],
        change("model.embed_tokens.weight", 33, 3.0),
    );
    different(Form::Llama, &["final_norm"], change("model.norm.weight", 0, 3.0));
    // One master more than doubled: its trit stays and the mean of its matrix does not.
    different(
        Form::Master,
        &["layer 0 wq: expected scale"],
        change("model.layers.0.self_attn.q_proj.weight", 0, 9.0),
    );
}

#[test]
fn another_configuration_is_found_and_named() {
    different(Form::Llama, &["rope_theta"], |c| c.config["rope_theta"] = json!(20_000.0));
    different(Form::Llama, &["norm_eps"], |c| c.config["rms_norm_eps"] = json!(1e-6));
    different(Form::Llama, &["rope_inv_freq"], |c| {
        c.config["rope_scaling"] = json!({"type": "linear", "factor": 2.0});
    });
    different(Form::Llama, &["vocab_size: expected 33, found 32"], |c| {
        c.config["vocab_size"] = json!(33);
        c.tensors.insert("model.embed_tokens.weight".into(), Tensor::floats(&[33, 16], 0.5));
    });
}

#[test]
fn the_report_counts_zeros_and_names_what_is_odd() {
    let folder = Folder::new();
    let mut checkpoint = Checkpoint::new(Form::PackedMultiply);
    checkpoint.tensors.insert("model.layers.1.mlp.down_proj.weight".into(), Tensor::bytes(&[4, 24], 0x55));
    // Fields 10, 01, 00, 10 in four rows each: a quarter of the matrix is zeros, the others rows of one sign.
    checkpoint.write(Path::new(&folder.file("checkpoint")));
    let source = folder.file("checkpoint");
    let report = equal(&pack_and_verify(&folder, &source, &[], &source));
    let line =
        |start: &str| report.lines().find(|line| line.starts_with(start)).expect("such a line").to_owned();
    assert!(line("wq").contains("25.0 25.0 25.0 %"), "{report}");
    assert!(line("w_down").contains("25.0 62.5 100.0 %"), "{report}");
    assert!(line("token_embedding").contains("32.000   f32"), "{report}");
    assert!(report.contains("odd: layer 1 w_down: nothing but zeros"), "{report}");
    assert!(report.contains("odd: layer 0 wq: 12 rows of one sign and no zeros"), "{report}");
}

#[test]
fn a_tokenizer_is_compared_where_there_is_one() {
    let folder = Folder::new();
    let mut checkpoint = Checkpoint::new(Form::Llama);
    checkpoint.config["vocab_size"] = json!(2048);
    checkpoint.tensors.insert("model.embed_tokens.weight".into(), Tensor::floats(&[2048, 16], 0.5));
    let source = folder.file("checkpoint");
    checkpoint.write(Path::new(&source));
    let tokenizer = Path::new(&source).join("tokenizer.json");
    fs::copy(format!("{GOLDEN}tokenizer_llama3_like/tokenizer.json"), &tokenizer).expect("copied");
    let report = equal(&pack_and_verify(&folder, &source, &[], &source));
    assert!(report.contains("tokenizer: equal"), "{report}");
    fs::remove_file(&tokenizer).expect("removed");
    let output = run(&["verify", &folder.file("out.tern"), "--against", &source]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("tokenizer: another one"));
}

#[test]
fn verify_finds_wrong_usage() {
    assert_eq!(run(&["verify", "--i2s-order", "64"]).status.code(), Some(2));
    let output = run(&["verify", "--against", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere"));
}
