//! `ternlet run --prompt-cache`: the same text and hash, in fewer tokens of prefill

use std::fs;
use std::process::{Command, Output};

use crate::program::{Folder, model, refusal, run, ternlet};

const PROMPT: &str = "Once upon a time there was a robot";

fn run_with(cache: &str, flags: &[&str]) -> Output {
    run(&[&["run", model(), "-n", "4", "--threads", "1", "--prompt-cache", cache], flags].concat())
}

/// Text, hash and all figures.
fn figures(output: &Output) -> (Vec<u8>, String, String) {
    let figures = String::from_utf8(output.stderr.clone()).expect("figures in UTF-8");
    assert_eq!(output.status.code(), Some(0), "{figures}");
    let hash = figures.split("_hash ").nth(1).expect("a hash").to_owned();
    (output.stdout.clone(), hash, figures)
}

#[test]
fn the_second_run_restores_the_prompt_and_a_longer_one_grows_the_file() {
    let folder = Folder::new();
    let cache = folder.file("prompt.kv");
    let plain = figures(&run(&["run", model(), "-n", "4", "--threads", "1", "--prompt", PROMPT]));
    let first = figures(&run_with(&cache, &["--prompt", PROMPT]));
    assert!(!first.2.contains("restored"), "{}", first.2);
    let written = fs::read(&cache).expect("a prompt cache");
    let second = figures(&run_with(&cache, &["--prompt", PROMPT, "--backend", "scalar"]));
    assert!(second.2.contains(" restored in ") && second.2.contains(" 1 prompt tokens"), "{}", second.2);
    for found in [&first, &second] {
        assert_eq!((&found.0, &found.1), (&plain.0, &plain.1));
    }
    assert_eq!(fs::read(&cache).expect("a prompt cache"), written, "a prompt that is all there");

    let longer = format!("{PROMPT} who liked to read");
    let grown = figures(&run_with(&cache, &["--prompt", &longer]));
    assert!(grown.2.contains(" restored in "), "{}", grown.2);
    assert!(fs::read(&cache).expect("a prompt cache").len() > written.len());
    let expected = figures(&run(&["run", model(), "-n", "4", "--threads", "1", "--prompt", &longer]));
    assert_eq!((grown.0, grown.1), (expected.0, expected.1));
    assert_eq!(fs::read_dir(folder.file("")).expect("the folder").count(), 1, "nothing else is left there");
}

#[test]
fn a_cache_that_does_not_suit_is_reported_and_written_again() {
    let folder = Folder::new();
    let cache = folder.file("prompt.kv");
    let plain = figures(&run_with(&cache, &["--prompt", PROMPT]));
    let whole = fs::read(&cache).expect("a prompt cache");
    let mut flipped = whole.clone();
    flipped[whole.len() - 9] ^= 1;
    let mut flipped_early = whole.clone();
    flipped_early[70] ^= 1;
    for (damaged, expected) in [
        (&flipped_early[..], "checksum of the ids"),
        (&whole[..whole.len() / 2], "expected a whole prefix file"),
        (&whole[..5], "expected a whole prefix file"),
    ] {
        fs::write(&cache, damaged).expect("the file is ours");
        let found = figures(&run_with(&cache, &["--prompt", PROMPT]));
        assert!(found.2.contains(expected) && found.2.contains("written again"), "{}", found.2);
        assert_eq!((&found.0, &found.1), (&plain.0, &plain.1));
        assert_eq!(fs::read(&cache).expect("a prompt cache"), whole);
    }
    let other = figures(&run_with(&cache, &["--prompt", PROMPT, "--kv", "f32"]));
    assert!(other.2.contains("KV cache: expected f32, found f16"), "{}", other.2);
    // A prompt that stops before the damage never reads it.
    fs::write(&cache, &flipped).expect("the file is ours");
    let short = figures(&run_with(&cache, &["--prompt", "Once upon"]));
    assert!(short.2.contains(" restored in "), "{}", short.2);
    assert_eq!(fs::read(&cache).expect("a prompt cache"), flipped);
    fs::write(&cache, b"").expect("the file is ours");
    figures(&run_with(&cache, &["--prompt", PROMPT]));
    assert_eq!(fs::read(&cache).expect("a prompt cache"), whole);
}

#[test]
fn what_is_no_cache_is_never_overwritten() {
    let folder = Folder::new();
    let diary = folder.write("diary.txt", b"Dear diary");
    let pipe = folder.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("coreutils").success());
    let copy = folder.write("copy.tern", &fs::read(model()).expect("the shipped model"));
    for (path, expected) in [
        (diary.clone(), "found a file of another kind"),
        (folder.file(""), "found a folder"),
        (pipe, "found a folder, device or pipe"),
        (copy.clone(), "found a file of another kind"),
        (model().to_owned(), "expected another file than the input"),
        (folder.file("missing/prompt.kv"), "expected a folder to write in"),
    ] {
        let errors = refusal(&run_with(&path, &["--prompt", PROMPT]), 1);
        assert!(errors.contains(expected) && errors.contains("hint: "), "{path}: {errors}");
    }
    assert_eq!(fs::read(diary).expect("still there"), b"Dear diary");
}

#[cfg(target_os = "linux")]
#[test]
fn a_cache_that_cannot_be_written_any_more_costs_no_text() {
    let folder = Folder::new();
    let cache = folder.file("prompt.kv");
    let plain = figures(&run(&["run", model(), "-n", "4", "--threads", "1", "--prompt", PROMPT]));
    let program = ternlet();
    // No file of this process may grow beyond a block; a write that would fails with an error.
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .args(["run", model(), "-n", "4", "--threads", "1", "--prompt-cache", &cache, "--prompt", PROMPT])
        .output()
        .expect("a shell");
    let found = figures(&limited);
    assert!(found.2.contains("expected to write the file") && found.2.contains("not kept"), "{}", found.2);
    assert_eq!((found.0, found.1), (plain.0, plain.1));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0, "a left-over file");
}
