//! `ternlet run`: one prompt continued, and every refusal with a way out

use std::fs;

use crate::program::{Folder, model, refusal, run};

/// `ternlet run` on the shipped model, four tokens on one thread.
fn run_on_model(flags: &[&str]) -> std::process::Output {
    run(&[&["run", model(), "-n", "4", "--threads", "1"], flags].concat())
}

#[test]
fn a_prompt_is_continued_and_the_figures_go_to_stderr() {
    let output = run_on_model(&["--prompt", "play some jazz"]);
    let figures = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{figures}");
    assert_eq!(output.stdout.last(), Some(&b'\n'));
    assert!(output.stdout.len() > 1);
    assert!(figures.contains("ids_hash ") && figures.contains("4 tokens at "), "{figures}");
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let sampled = |seed| {
        run_on_model(&[
            "--prompt",
            "play",
            "--temperature",
            "1.5",
            "--top-k",
            "0",
            "--top-p",
            "1",
            "--seed",
            seed,
        ])
    };
    assert_eq!(sampled("7").stdout, sampled("7").stdout);
}

#[test]
fn look_up_leaves_text_and_hash_as_they_are() {
    let prompt = "User: set gpio 17 high<|eot_id|>Assistant: {\"intent\":\"gpio_set\",\"pin\":\"17\",\
                  \"state\":\"high\"}<|eot_id|>User: set gpio 17 high<|eot_id|>Assistant:";
    let run = |flags: &[&str]| {
        let output =
            run(&[&["run", model(), "-n", "12", "--threads", "1", "--prompt", prompt], flags].concat());
        let figures = String::from_utf8(output.stderr).expect("figures in UTF-8");
        let hash = figures.split("_hash ").nth(1).expect("a hash").to_owned();
        (output.stdout, hash, figures)
    };
    let (plain, with) = (run(&[]), run(&["--lookup"]));
    assert_eq!((&plain.0, &plain.1), (&with.0, &with.1));
    let full = (run(&["--head", "full"]), run(&["--head", "full", "--lookup"]));
    assert_eq!((&full.0.0, &full.0.1), (&full.1.0, &full.1.1));
    assert_eq!(full.0.0, plain.0, "the text of the whole head");
    assert!(full.0.2.contains("logits_hash ") && plain.2.contains("ids_hash "), "{} {}", full.0.2, plain.2);
    assert!(plain.2.contains("1.00 tokens per pass"), "{}", plain.2);
    assert!(!with.2.contains("1.00 tokens per pass"), "{}", with.2);
}

#[test]
fn a_prompt_longer_than_the_context_names_both_lengths() {
    let prompt = "word ".repeat(1000);
    let errors = refusal(&run_on_model(&["--prompt", &prompt]), 1);
    assert!(errors.contains("--prompt: expected at most 512 tokens, the context, found "), "{errors}");
    assert!(errors.contains("hint: shorten the prompt: this model takes no more"), "{errors}");
    let errors = refusal(&run_on_model(&["--prompt", "one two three four five six", "--ctx", "2"]), 1);
    assert!(errors.contains("expected at most 2 tokens, the context, found "), "{errors}");
    assert!(errors.contains("raise --ctx, here at most 512"), "{errors}");
}

#[test]
fn flags_out_of_range_are_wrong_usage() {
    let cases = [
        (["--top-p", "2"], "expected a number above 0, at most 1"),
        (["--top-p", "0"], "expected a number above 0, at most 1"),
        (["--top-p", "nan"], "expected a number above 0, at most 1"),
        (["--temperature=-1", "--seed=1"], "expected a number of 0 (greedy) or more"),
        (["--temperature", "inf"], "expected a number of 0 (greedy) or more"),
        (["--ctx", "0"], "not in 1.."),
        (["--threads", "0"], "not in 1..=1024"),
        (["--kv", "f64"], "possible values: f16, f32"),
        (["--backend", "mmx"], "expected one of scalar, neon, dotprod, i8mm, avx2, avx512, found \"mmx\""),
    ];
    for (flags, expected) in cases {
        let errors = refusal(&run(&[&["run", model(), "--prompt", "hi"], &flags[..]].concat()), 2);
        assert!(errors.contains(expected), "{flags:?}: expected {expected:?}, found {errors}");
    }
}

#[test]
fn a_context_beyond_the_models_is_refused_with_its_maximum() {
    let errors = refusal(&run_on_model(&["--prompt", "hi", "--ctx", "513"]), 1);
    assert!(errors.contains("context of 513 tokens asked for, the model takes at most 512"), "{errors}");
}

#[test]
fn a_backend_of_another_cpu_is_refused_with_those_there_are() {
    let foreign = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    let errors = refusal(&run_on_model(&["--prompt", "hi", "--backend", foreign]), 1);
    assert!(errors.contains("expected a backend of this CPU (scalar"), "{errors}");
    assert!(errors.contains("leave the flag out"), "{errors}");
}

#[test]
fn a_file_that_is_no_whole_model_is_refused() {
    let folder = Folder::new();
    let whole = fs::read(model()).expect("the shipped model");
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for (file, expected) in [
        (folder.file("missing.tern"), "expected a model file, found none: No such file"),
        (folder.file(""), "expected a model file, found none: not a regular file"),
        (folder.write("cut.tern", &whole[..1_000_000]), "expected 1422464 bytes, found 1000000"),
        (folder.write("header.tern", &whole[..40]), "header"),
        (folder.write("flipped.tern", &flipped), "checksum"),
    ] {
        let errors = refusal(&run(&["run", &file, "--prompt", "hi"]), 1);
        assert!(errors.contains(&file), "{errors}");
        assert!(errors.contains(expected), "expected {expected:?}, found {errors}");
        assert!(errors.contains("hint: "), "{errors}");
    }
}
