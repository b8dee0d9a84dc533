//! Where results go: whole or not at all, and never over what is read

use std::fs;
use std::process::Command;

use crate::program::{Folder, model, refusal, run, ternlet};

#[test]
fn an_output_that_is_an_input_is_refused_and_stays_as_it_is() {
    let folder = Folder::new();
    let bytes = fs::read(model()).expect("the shipped model");
    let (file, ids) = (folder.write("model.tern", &bytes), folder.write("ids.json", b"[1, 2, 3]"));
    for command in ["logits", "perplexity"] {
        for out in [folder.file("./model.tern"), ids.clone()] {
            let stderr = refusal(&run(&[command, &file, "--ids-file", &ids, "--out", &out]), 1);
            assert!(stderr.contains("expected another file than the input"), "{command}: {stderr}");
        }
    }
    assert!(fs::read(&file).expect("still there") == bytes);
    assert_eq!(fs::read(&ids).expect("still there"), b"[1, 2, 3]");
}

#[test]
fn a_run_that_fails_leaves_the_older_output() {
    let folder = Folder::new();
    let mut bytes = fs::read(model()).expect("the shipped model");
    // The last tensors become NaN: the logits are found out when the output is begun.
    let start = bytes.len() - 1024;
    bytes[start..].fill(0xff);
    let (file, ids) = (folder.write("model.tern", &bytes), folder.write("ids.json", b"[1, 2, 3]"));
    let out = folder.write("out.npy", b"older");
    let stderr = refusal(&run(&["logits", &file, "--trust", "--ids-file", &ids, "--out", &out]), 1);
    assert!(stderr.contains("not finite"), "{stderr}");
    assert_eq!(fs::read(&out).expect("still there"), b"older");
    assert_eq!(fs::read_dir(folder.file("")).expect("a folder").count(), 3, "a left-over file");
}

#[test]
fn devices_are_streamed_to_where_that_makes_sense_and_never_replaced() {
    let folder = Folder::new();
    let ids = folder.write("ids.json", b"[1, 2, 3]");
    let stderr = refusal(&run(&["logits", model(), "--ids-file", &ids, "--out", "/dev/full"]), 1);
    assert!(stderr.contains("No space left"), "{stderr}");
    // A pipe stands for every name that is no regular file: nothing is lost if the refusal is.
    let pipe = folder.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("coreutils").success());
    let synth = ternlet().args(["synth", "--shape", "125m", "-o", &pipe]).output().expect("it runs");
    assert!(refusal(&synth, 1).contains("found a device or pipe"));
    assert!(!fs::metadata(&pipe).expect("still there").is_file());
}
