//! `ternlet bench`: sweeps, pictures, and other programs beside it

use serde_json::Value;

use crate::program::{Folder, model, refusal, run};

/// A report as JSON.
fn report(arguments: &[&str]) -> Value {
    let output = run(&[&["bench", model(), "--json"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON on stdout")
}

#[test]
fn a_sweep_measures_every_combination_and_threads_change_no_bit() {
    let report = report(&[
        "-p",
        "3,9",
        "-n",
        "3",
        "--threads",
        "1,2",
        "--rounds",
        "2",
        "--skip",
        "off",
        "--head",
        "full",
    ]);
    let cases = report["cases"].as_array().expect("cases");
    let shape = |case: &Value| ["threads", "slots", "prompt_tokens"].map(|key| case[key].as_u64());
    let found: Vec<_> = cases.iter().map(shape).collect();
    let expected = [[1, 1, 3], [1, 1, 9], [2, 1, 3], [2, 1, 9]].map(|case| case.map(Some));
    assert_eq!(found, expected);
    for case in cases {
        for key in ["prefill_tok_per_s", "decode_tok_per_s", "ms_per_step_p50", "gb_per_s", "stream_gb_per_s"]
        {
            assert!(case[key].as_f64().is_some_and(|figure| figure > 0.0), "{key} in {case}");
        }
        let ms = ["ms_per_step_p50", "ms_per_step_p95", "ms_per_step_p99"].map(|key| case[key].as_f64());
        assert!(ms.is_sorted(), "{case}");
        assert_eq!(case["hashes_agree"], true);
        assert_eq!(case["decode_rounds"].as_array().map(Vec::len), Some(2));
        // Either joules or a reason.
        assert!(
            case["joules_per_token"].is_number()
                || case["energy_source"].as_str().is_some_and(|why| why.len() > 4)
        );
    }
    assert_eq!(cases[0]["logits_hash"], cases[2]["logits_hash"]);
    assert_ne!(cases[0]["logits_hash"], cases[1]["logits_hash"]);
    // Longer contexts read more keys and values, and nothing else.
    let bytes = |case: &Value, part: &str| case["bytes_per_pass"][part].as_u64();
    assert!(bytes(&cases[0], "kv") < bytes(&cases[1], "kv"));
    assert_eq!(bytes(&cases[0], "body"), bytes(&cases[1], "body"));
}

#[test]
fn what_the_skip_leaves_unread_is_counted_and_changes_no_bit() {
    let arguments = ["-p", "5", "-n", "4", "--threads", "1"];
    let [on, off] = ["on", "off"].map(|skip| report(&[&arguments[..], &["--skip", skip]].concat()));
    let [on, off] = [&on["cases"][0], &off["cases"][0]];
    assert_eq!(on["ids_hash"], off["ids_hash"]);
    assert!(on["bytes_per_pass"]["body"].as_u64() < off["bytes_per_pass"]["body"].as_u64());
    assert_eq!(off["zeros"], Value::Null);
    // The shipped model closes 56 to 70 % of its gates on text.
    for share in on["zeros"]["gates_by_layer"].as_array().expect("a share for each layer") {
        assert!(share.as_f64().is_some_and(|share| (0.4..0.85).contains(&share)), "{share}");
    }
}

#[test]
fn slots_decode_together_and_share_the_weights() {
    let report = report(&["-p", "4", "-n", "2", "--threads", "2", "--slots", "1,4"]);
    let [one, four] = [0, 1].map(|at| &report["cases"][at]);
    assert_eq!(one["bytes_per_pass"]["body"], four["bytes_per_pass"]["body"]);
    let kv = |case: &Value| case["bytes_per_pass"]["kv"].as_u64().expect("a count");
    assert_eq!(4 * kv(one), kv(four));
    assert!(one["arena_bytes"].as_u64() < four["arena_bytes"].as_u64());
}

#[test]
fn a_peer_runs_in_every_round_and_ratios_have_a_spread() {
    let peer =
        "echo '| m | {threads} | pp{prompt} | 10.0 ± 0 |'; echo '| m | {threads} | tg{tokens} | 5.0 ± 0 |'";
    let report = report(&["-p", "4", "-n", "2", "--threads", "1", "--rounds", "3", "--peer", peer]);
    let found = &report["cases"][0]["peers"][0];
    assert_eq!(found["rounds"].as_array().map(Vec::len), Some(3));
    assert_eq!(found["rounds"][0]["prefill"], 10.0);
    let decode: Vec<f64> = report["cases"][0]["decode_rounds"]
        .as_array()
        .expect("rounds")
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    let largest = decode.iter().copied().fold(0.0, f64::max) / 5.0;
    let ratio = found["decode_ratio"]["max"].as_f64().expect("a ratio");
    assert!((ratio - largest).abs() < 1e-9 * largest);
    assert_eq!(found["whole_ratio"], Value::Null);
}

#[test]
fn a_peer_that_fails_or_hangs_is_named() {
    let arguments = ["bench", model(), "-p", "2", "-n", "1", "--threads", "1"];
    let failed = refusal(&run(&[&arguments[..], &["--peer", "echo out of luck >&2; false"]].concat()), 1);
    assert!(failed.contains("out of luck") && failed.contains("--peer"), "{failed}");
    let hanging =
        refusal(&run(&[&arguments[..], &["--peer", "sleep 600", "--peer-timeout", "1"]].concat()), 1);
    assert!(hanging.contains("--peer-timeout"), "{hanging}");
}

#[test]
fn pictures_are_drawn_into_a_folder_or_a_file() {
    let folder = Folder::new();
    let (pictures, one) = (folder.file("pictures"), folder.file("one.svg"));
    let arguments = ["bench", model(), "-p", "2,4", "-n", "1", "--threads", "1", "--svg"];
    for target in [&pictures, &one] {
        let output = run(&[&arguments[..], &[target]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let files = [folder.file("pictures/speed.svg"), folder.file("pictures/roofline.svg"), one];
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a picture");
        let document = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(document.descendants().any(|node| node.has_tag_name("circle")), "{file}");
    }
    let no_folder = folder.write("plain-file", b"");
    let refused = refusal(&run(&[&arguments[..], &[&format!("{no_folder}/x")]].concat()), 1);
    assert!(refused.contains("--svg"), "{refused}");
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    for arguments in
        [["--threads", "0"], ["--slots", "0"], ["-p", "0"], ["--rounds", "0"], ["--threads", "1,x"]]
    {
        let output = run(&[&["bench", model()], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let both = refusal(&run(&["bench", model(), "--slots", "2", "--lookup", "-p", "2", "-n", "1"]), 1);
    assert!(both.contains("--slots 1"), "{both}");
}
