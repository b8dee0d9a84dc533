//! `ternlet pack` on what people name by mistake: each time the way out is in the hint
//!
//! Nothing here is a damaged model: the path, the flag or the download is not what the person thinks.

use std::fs;
use std::path::Path;

use crate::pack_refuses::checkpoint::{Checkpoint, Form};
use crate::program::{Folder, ternlet};

/// Packs `source` and expects a refusal with `found` in its first line, `way_out` in its hint, and no output.
fn refused(source: &Path, flags: &[&str], found: &str, way_out: &str) {
    let target = source.parent().expect("a folder").join("out.tern");
    let output =
        ternlet().arg("pack").arg(source).arg("-o").arg(&target).args(flags).output().expect("it runs");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    let (problem, hint) = stderr.split_once("\n  hint: ").unwrap_or((&stderr, ""));
    assert_eq!(output.status.code(), Some(1), "{found}: {stderr}");
    assert!(problem.contains("expected") && problem.contains(found), "{found}: {stderr}");
    assert!(hint.contains(way_out), "{way_out}: {stderr}");
    assert!(!target.exists(), "{found}: a file is left");
}

/// A whole checkpoint in a new folder.
fn checkpoint() -> (Folder, std::path::PathBuf) {
    let folder = Folder::new();
    let source = folder.path().join("checkpoint");
    Checkpoint::new(Form::Master).write(&source);
    (folder, source)
}

#[test]
fn files_that_are_not_what_they_are_called() {
    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1000\n";
    const PAGE: &str = "<!DOCTYPE html><html><body>Please log in</body></html>";
    for (name, contents, found, way_out) in [
        ("model.safetensors", POINTER, "Git LFS pointer", "git lfs pull"),
        ("model.safetensors", PAGE, "a web page", "fetch the file itself"),
        ("model.safetensors", "GGUF\u{3}\0\0\0 and so on", "a GGUF file", "as SOURCE"),
        ("tokenizer.json", POINTER, "Git LFS pointer", "git lfs pull"),
        ("tokenizer.model", PAGE, "a web page", "fetch the file itself"),
    ] {
        let (_folder, source) = checkpoint();
        fs::write(source.join(name), contents).expect("written");
        refused(&source, &[], found, way_out);
    }
    let folder = Folder::new();
    let pointer = folder.path().join("model.gguf");
    fs::write(&pointer, POINTER).expect("written");
    refused(&pointer, &[], "Git LFS pointer", "git lfs pull");
}

#[test]
fn folders_that_hold_something_else() {
    let (_folder, source) = checkpoint();
    fs::remove_file(source.join("config.json")).expect("removed");
    refused(&source, &[], "found none", "config.json, model.safetensors");
    fs::write(source.join("model-i2_s.gguf"), "GGUF").expect("written");
    refused(&source, &[], "found none", "model-i2_s.gguf");

    let (_folder, source) = checkpoint();
    fs::rename(source.join("model.safetensors"), source.join("pytorch_model.bin")).expect("renamed");
    refused(&source, &[], "pytorch_model.bin", "save_pretrained");
}

#[test]
fn a_flag_for_another_kind_of_file() {
    let (_folder, source) = checkpoint();
    refused(&source, &["--i2s-order", "64"], "I2_S", "leave the flag out");
}

#[test]
fn an_output_that_is_a_folder_is_told_before_packing() {
    let (folder, source) = checkpoint();
    let output = ternlet()
        .arg("pack")
        .arg(&source)
        .arg("-o")
        .arg(folder.path().join("out/"))
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("found a folder") && stderr.contains("another name"), "{stderr}");
}
