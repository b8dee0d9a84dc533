//! `ternlet logits` and `ternlet perplexity`: lists of ids, good and bad

use std::fs;

use crate::program::{Folder, model, refusal, run};

/// Lists that no command takes, with what it says.
const BAD: [(&str, &str); 6] = [
    ("[1, 2, 2048, 3]", "expected ids below 2048, the vocabulary, found 2048 at index 2"),
    ("[1, 2", "expected a JSON array of token ids, found: EOF"),
    ("{\"ids\": [1]}", "expected a JSON array of token ids, found: invalid type: map"),
    ("[1, -1]", "found: invalid value: integer `-1`"),
    ("[1, 4294967296]", "found: invalid value: integer `4294967296`"),
    ("", "expected a JSON array of token ids, found: EOF"),
];

#[test]
fn logits_are_written_and_hashed_the_same_in_every_mode() {
    let folder = Folder::new();
    let ids = folder.write("ids.json", b"[1, 2, 3, 4, 5, 6, 7, 8, 9]");
    let results: Vec<_> = ["prefill", "decode", "chunk:7"]
        .iter()
        .map(|mode| {
            let out = folder.file("logits.npy");
            let output =
                run(&["logits", model(), "--ids-file", &ids, "--out", &out, "--mode", mode, "--greedy", "2"]);
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            (output.stdout, fs::read(out).expect("written"))
        })
        .collect();
    let printed = String::from_utf8_lossy(&results[0].0);
    assert!(printed.starts_with("logits_hash: ") && printed.contains("greedy_ids: ["), "{printed}");
    // A header of 64 or 128 bytes, then [9, 2048] of f32.
    assert_eq!(results[0].1.len() % 64, 0);
    assert_eq!(results[0].1.len() / 8192, 9);
    assert!(results.iter().all(|result| *result == results[0]), "modes differ");
}

#[test]
fn bad_lists_are_refused_before_anything_is_written() {
    let folder = Folder::new();
    let out = folder.file("out.npy");
    let too_long = format!("{:?}", [1; 513]);
    let more = [
        ("[]", "expected at least 1 id, found 0"),
        (&too_long, "expected at most 512 ids, the model's longest context, found 513"),
    ];
    for (list, expected) in BAD.into_iter().chain(more) {
        let ids = folder.write("ids.json", list.as_bytes());
        let errors = refusal(&run(&["logits", model(), "--ids-file", &ids, "--out", &out]), 1);
        assert!(errors.contains(&ids) && errors.contains(expected), "expected {expected:?}, found {errors}");
        assert!(fs::metadata(&out).is_err(), "{list}: a file was written");
    }
    let ids = folder.write("ids.json", b"[1, 2]");
    let errors = refusal(&run(&["logits", model(), "--ids-file", &ids, "--out", &out, "--greedy", "511"]), 1);
    assert!(
        errors.contains("expected at most 512 ids") && errors.contains("found 2 and 511 to generate"),
        "{errors}"
    );
    let errors =
        refusal(&run(&["logits", model(), "--ids-file", &folder.file("none.json"), "--out", &out]), 1);
    assert!(
        errors.contains("none.json: expected a JSON array of token ids, found no readable file"),
        "{errors}"
    );
}

#[test]
fn a_mode_that_is_none_is_wrong_usage() {
    for mode in ["chunk:0", "chunk:257", "chunk:", "backwards"] {
        let errors = refusal(&run(&["logits", model(), "--ids-file", "i", "--out", "o", "--mode", mode]), 2);
        assert!(errors.contains("expected prefill, decode or chunk:1 to chunk:256"), "{errors}");
    }
}

#[test]
fn logits_to_a_place_that_cannot_be_written_name_it() {
    let folder = Folder::new();
    let ids = folder.write("ids.json", b"[1, 2]");
    let out = folder.file("no/such/folder.npy");
    let errors = refusal(&run(&["logits", model(), "--ids-file", &ids, "--out", &out]), 1);
    assert!(errors.contains(&out), "{errors}");
}

#[test]
fn perplexity_needs_an_id_to_predict() {
    let folder = Folder::new();
    let short = [("[]", "expected at least 2 ids, found 0"), ("[1]", "expected at least 2 ids, found 1")];
    for (list, expected) in BAD.into_iter().chain(short) {
        let ids = folder.write("ids.json", list.as_bytes());
        let errors = refusal(&run(&["perplexity", model(), "--ids-file", &ids]), 1);
        assert!(errors.contains(&ids) && errors.contains(expected), "expected {expected:?}, found {errors}");
    }
    let ids = folder.write("ids.json", b"[1, 2]");
    let output = run(&["perplexity", model(), "--ids-file", &ids]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("tokens: 1\nmean_nll: ") && printed.contains("\nperplexity: "), "{printed}");
}
