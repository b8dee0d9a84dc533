//! The command line from outside: exit status, and what goes to stdout and to stderr

mod bench;
mod chat_template;
mod embed;
mod hub;
mod ids;
mod killed;
// Not under emulation, where the emulator's memory would count.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod memory;
mod models;
mod outputs;
mod pack_mistakes;
mod pack_refuses;
mod pack_warns;
mod program;
mod prompt;
mod prompt_cache;
mod render;
mod repack;
mod run;
mod sentencepiece;
mod tokenize;
mod verify_against;

use program::run;

#[test]
fn help_goes_to_stdout_and_names_the_commands() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    for command in ["embed", "logits", "perplexity", "bench", "selftest"] {
        assert!(text.contains(command), "{command} is not in the help:\n{text}");
    }
}

#[test]
fn wrong_usage_ends_with_status_2_and_an_empty_stdout() {
    let output = run(&["selftest", "--no-such-option"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-such-option"));
}

#[test]
fn a_missing_file_ends_with_status_1_and_is_named() {
    let output = run(&["selftest", "no-such-file.tern"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-file.tern"));
}

#[test]
fn a_stderr_that_cannot_be_written_changes_no_status() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let status = program::ternlet().args(["inspect", "no-such-file.tern"]).stderr(full).status();
    assert_eq!(status.expect("ternlet starts").code(), Some(1));
}
