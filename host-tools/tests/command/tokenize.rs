//! `ternlet tokenize` from outside: JSON lines in, JSON lines out

use std::path::Path;
use std::process::Output;

use crate::program::{feed, ternlet};

/// Runs `ternlet tokenize` on the golden tokenizer with `lines` on stdin.
fn tokenize(flags: &[&str], lines: &[u8]) -> Output {
    let golden = "../tests/golden/tokenizer_llama3_like/tokenizer.json";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(golden);
    let mut command = ternlet();
    command.arg("tokenize").arg(file).args(flags);
    feed(command, lines)
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn strings_become_ids_with_and_without_automatic_ones() {
    let lines = b"\"a\"\n\"\"\n\"a<|eot_id|>\"\n";
    assert_eq!(stdout(&tokenize(&[], lines)), "[2038,64]\n[2038]\n[2038,64,2047]\n");
    assert_eq!(stdout(&tokenize(&["--no-special"], lines)), "[64]\n[]\n[64,2047]\n");
}

#[test]
fn ids_become_strings_with_and_without_special_tokens() {
    let lines = b"[2038, 64, 224]\n[]\n[4000000000]\n";
    assert_eq!(stdout(&tokenize(&["--decode"], lines)), "\"<|begin_of_text|>a\u{fffd}\"\n\"\"\n\"\"\n");
    assert_eq!(stdout(&tokenize(&["--decode", "--skip-special"], lines)), "\"a\u{fffd}\"\n\"\"\n\"\"\n");
}

#[test]
fn bad_lines_are_reported_by_number_and_the_others_answered() {
    let output = tokenize(&["--no-special"], b"\"a\"\n[1]\n\"\xff\"\n\"a\"");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"[64]\n[64]\n");
    assert!(errors.contains("line 2: expected a JSON string") && errors.contains("line 3: "), "{errors}");
}

#[test]
fn line_separators_of_unicode_do_not_end_a_line_of_output() {
    let ids = stdout(&tokenize(&["--no-special"], "\"\u{2028}\u{85}\"\n".as_bytes()));
    assert_eq!(stdout(&tokenize(&["--decode"], ids.as_bytes())), "\"\\u2028\\u0085\"\n");
}

#[test]
fn skip_special_without_decode_is_wrong_usage() {
    assert_eq!(tokenize(&["--skip-special"], b"").status.code(), Some(2));
}
