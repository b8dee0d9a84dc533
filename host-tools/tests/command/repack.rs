//! `ternlet repack` and `ternlet tune`: other layouts, the same model

use std::fs;

use serde_json::Value;

use crate::program::{Folder, model, refusal, run};

/// The layout of each ternary matrix of layer 0, as `inspect` names it.
fn layouts(file: &str) -> Vec<String> {
    let output = run(&["inspect", "--json", file]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tensors = report["tensors"].as_array().expect("a list");
    let name = |tensor: &Value| tensor["layout"].as_str().expect("a name").to_owned();
    tensors
        .iter()
        .filter(|t| t["name"].as_str().is_some_and(|n| n.starts_with("layer 0 w")))
        .map(name)
        .collect()
}

#[test]
fn there_and_back_is_the_same_file_and_each_passes_the_packers_self_test() {
    let folder = Folder::new();
    let (any, pi5, back) = (folder.file("any.tern"), folder.file("pi5.tern"), folder.file("back.tern"));
    for (from, to, target) in
        [(model(), &any, "any"), (any.as_str(), &pi5, "pi5"), (pi5.as_str(), &back, "any")]
    {
        let output = run(&["repack", from, "--target", target, "-o", to]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for command in ["selftest", "verify"] {
            let output = run(&[command, to]);
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(fs::read(&any).expect("written") == fs::read(&back).expect("written"));
    assert_eq!(layouts(&any), ["i2", "i2", "i2", "i2", "i2", "i2", "i2 by column"]);
    assert_eq!(layouts(&pi5), ["tl2", "tl2", "tl2", "tl2", "tl2", "t5", "t5 by column"]);
    // In place: the input is what a program still reads.
    assert!(run(&["repack", &back, "--target", "pi5", "-o", &back]).status.success());
    assert!(fs::read(&pi5).expect("written") == fs::read(&back).expect("written"));
}

#[test]
fn what_tune_prints_repack_takes() {
    let folder = Folder::new();
    let tuned = run(&["tune", model(), "--rounds", "1", "--threads", "1"]);
    let stderr = String::from_utf8_lossy(&tuned.stderr).into_owned();
    assert!(tuned.status.success() && stderr.contains("w_gate [768, 256]"), "{stderr}");
    // The flag, as printed, is one that other commands take.
    let limits = stderr.lines().find_map(|line| line.strip_prefix("these limits for --skip: "));
    let skipped = run(&["run", model(), "--prompt", "a", "-n", "1", "--skip", limits.expect("limits")]);
    assert!(skipped.status.success(), "{}", String::from_utf8_lossy(&skipped.stderr));
    let (profile, out) = (folder.write("profile.json", &tuned.stdout), folder.file("out.tern"));
    let output = run(&["repack", model(), "--profile", &profile, "-o", &out]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let named: Value = serde_json::from_slice(&tuned.stdout).expect("JSON");
    let roles = ["wq", "wk", "wv", "wo", "w_gate", "w_up", "w_down"];
    assert_eq!(layouts(&out), roles.map(|role| named["layouts"][role].as_str().expect("a name").to_owned()));
    assert!(run(&["selftest", &out]).status.success());
}

#[test]
fn what_is_no_profile_or_no_whole_model_leaves_no_file() {
    let folder = Folder::new();
    let out = folder.file("out.tern");
    let other = r#"{"ternlet_profile": 2, "machine": "", "layouts": {"wq": "i2", "wk": "i2", "wv": "i2",
        "wo": "i2", "w_gate": "i2", "w_up": "i2", "w_down": "i2"}}"#;
    let misplaced = other.replace(": 2,", ": 1,").replace(r#""w_up": "i2""#, r#""w_up": "i2 by column""#);
    for (text, expected) in [
        ("{}", "expected a profile"),
        ("no JSON", "expected a profile"),
        (other, "expected a profile of version 1, found 2"),
        (&misplaced, "w_up: expected i2, tl1, tl2 or t5, found \"i2 by column\""),
    ] {
        let profile = folder.write("profile.json", text.as_bytes());
        let stderr = refusal(&run(&["repack", model(), "--profile", &profile, "-o", &out]), 1);
        assert!(stderr.contains(expected) && stderr.contains("ternlet tune"), "{stderr}");
    }
    let mut bytes = fs::read(model()).expect("the shipped model");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = folder.write("damaged.tern", &bytes);
    let stderr = refusal(&run(&["repack", &damaged, "--target", "pi5", "-o", &out]), 1);
    assert!(stderr.contains("checksum") && stderr.contains("damaged: copy"), "{stderr}");
    assert!(stderr.starts_with(&format!("ternlet: repack: {damaged}: ")), "{stderr}");
    assert!(!fs::exists(&out).expect("a folder"));
}
