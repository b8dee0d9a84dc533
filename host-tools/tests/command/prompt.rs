//! A prompt through a pipe: each line is answered on stdout, and what is wrong with a line goes to stderr
//!
//! Bare `ternlet` talks to the model inside the program, `ternlet chat FILE` to the same one as a file.

use std::process::Output;

use crate::program::{Folder, feed, model, refusal, ternlet};

/// Feeds `input` to bare `ternlet`; short answers on one thread keep emulated runs short.
fn prompt(flags: &[&str], input: &[u8]) -> Output {
    let mut command = ternlet();
    command.args(["-n", "4", "--threads", "1"]).args(flags);
    feed(command, input)
}

fn chat(input: &[u8]) -> Output {
    let mut command = ternlet();
    command.args(["chat", model(), "-n", "4", "--threads", "1"]);
    feed(command, input)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("answers in UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `input` has one good line, the last: it is answered, `expected` is on stderr, and the status says that a line failed.
fn check_one_bad_line(input: &[u8], expected: &str) {
    let output = prompt(&[], input);
    let (answers, errors) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(answers.lines().count(), 1, "{answers}");
    assert_eq!(errors.lines().count(), 2, "one line for the error, one for the outcome:\n{errors}");
    assert!(errors.contains(expected), "expected {expected:?}, found:\n{errors}");
    assert!(errors.contains("1 of the lines failed"), "{errors}");
}

#[test]
fn each_line_gets_one_answer_and_the_same_one_each_time() {
    let output = prompt(&[], b"play some jazz\nset an alarm\r\nplay some jazz");
    let answers = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(lines.len(), 3, "{answers}");
    assert!(lines.iter().all(|line| !line.is_empty()), "{answers}");
    assert_eq!(lines[0], lines[2], "lines are prompts of their own");
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn the_file_answers_as_the_model_inside() {
    let input = b"play some jazz\n";
    assert_eq!(stdout(&chat(input)), stdout(&prompt(&[], input)));
}

#[test]
fn no_input_is_no_answer_and_no_error() {
    for input in [&b""[..], b"\n", b"\n  \n\r\n\t\n"] {
        for output in [prompt(&[], input), chat(input)] {
            assert!(refusal(&output, 0).is_empty(), "{input:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_line_of_a_megabyte_fails_alone() {
    let input = [&vec![b'a'; 1_000_000][..], b"\nplay some jazz\n"].concat();
    check_one_bad_line(&input, "the line has 1000000 bytes, at most 65536 fit; it was not sent, shorten it");
}

#[test]
fn a_line_that_is_not_utf_8_fails_alone() {
    check_one_bad_line(
        b"abc\xff\nplay some jazz\n",
        "the line is not UTF-8: byte 3 is 0xff; it was not sent",
    );
    check_one_bad_line(b"\xe2\x82\nplay some jazz\n", "byte 0 is 0xe2");
}

#[test]
fn a_prompt_longer_than_the_context_fails_alone() {
    let input = [&b"word ".repeat(1000)[..], b"\nplay some jazz\n"].concat();
    check_one_bad_line(&input, "tokens, the context holds 512; shorten it");
}

#[test]
fn commands_that_cannot_be_obeyed_fail_alone_and_say_what_was_expected() {
    let cases = [
        ("/frobnicate", "unknown command /frobnicate: /help lists them"),
        ("/set", "expected temperature, top-k, top-p, seed, tokens or lookup"),
        ("/set colour red", "unknown setting \"colour\""),
        ("/set temperature", "temperature: expected a number of 0 or more, found \"\""),
        ("/set temperature hot", "temperature: expected a number of 0 or more, found \"hot\""),
        ("/set temperature -1", "temperature must be 0 or more and finite, is -1"),
        ("/set temperature inf", "temperature must be 0 or more and finite, is inf"),
        ("/set top-k 1.5", "top-k: expected a whole number (0 keeps all), found \"1.5\""),
        ("/set top-p 2", "top-p must be above 0 and at most 1, is 2"),
        ("/set seed -1", "seed: expected a whole number, found \"-1\""),
        ("/set tokens 0", "tokens: expected at least 1, found 0"),
        ("/set tokens 99999999999", "tokens: expected a whole number"),
        ("/set lookup maybe", "lookup: expected on or off, found \"maybe\""),
        ("/set lookup on", "look-up needs a session planned for logits of at least 2 rows a pass"),
    ];
    let lines: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
    let output = prompt(&[], (lines.join("\n") + "\nplay some jazz\n").as_bytes());
    let (answers, errors) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(answers.lines().count(), 1, "{answers}");
    let errors: Vec<&str> = errors.lines().collect();
    assert_eq!(errors.len(), cases.len() + 1, "{errors:#?}");
    for ((line, expected), found) in cases.iter().zip(&errors) {
        assert!(found.contains(expected), "{line}: expected {expected:?}, found {found:?}");
    }
    assert!(errors[cases.len()].contains("14 of the lines failed"), "{errors:#?}");
}

#[test]
fn look_up_is_a_setting_where_the_session_has_room_for_it() {
    let input = b"set an alarm\n/set lookup off\nset an alarm\n/stats\n";
    let output = prompt(&["--lookup"], input);
    let (answers, errors) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(answers.lines().next(), answers.lines().nth(1), "{answers}");
    assert!(errors.contains("lookup off: one pass for each token"), "{errors}");
    assert!(errors.contains("tokens per pass"), "{errors}");
}

#[test]
fn a_system_message_that_is_too_long_changes_nothing() {
    let long = "x".repeat(1025);
    check_one_bad_line(
        format!("/system {long}\nplay some jazz\n").as_bytes(),
        "the system message has 1025 bytes, at most 1024 fit; it stays as it was",
    );
}

#[test]
fn commands_through_a_pipe_leave_stdout_to_the_answers() {
    let output = prompt(&[], b"/help\n/set temperature 0\n/stats\n/selftest\n/reset\n");
    let errors = refusal(&output, 0);
    for expected in ["/set temperature", "ids_hash: ", "selftest: PASS", "the conversation is forgotten"] {
        assert!(errors.contains(expected), "expected {expected:?}, found:\n{errors}");
    }
}

#[test]
fn conversations_are_kept_in_the_folder_that_is_named() {
    let folder = Folder::new();
    let path = folder.file("");
    let output = prompt(&["--saves", &path], b"set an alarm\n/save monday\n/save monday\n/restore monday\n");
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("saved as monday: ") && errors.contains("restored monday: "), "{errors}");
    let files: Vec<_> =
        std::fs::read_dir(&path).expect("a folder").flatten().map(|f| f.file_name()).collect();
    assert_eq!(files, ["monday.talk"]);
    // Another process.
    let output = prompt(&["--saves", &path], b"/restore monday\n");
    assert!(refusal(&output, 0).contains("restored monday: "));
    let missing = folder.file("missing");
    let errors = refusal(&prompt(&["--saves", &missing], b"/save monday\n"), 1);
    assert!(errors.contains("expected a folder for saved conversations, found"), "{errors}");
    check_one_bad_line(b"/save monday\nplay some jazz\n", "there is no storage here");
}

#[test]
fn what_lies_in_the_place_of_a_conversation_is_named_and_left_alone() {
    let folder = Folder::new();
    let (path, pipe) = (folder.file(""), folder.file("pipe.talk"));
    std::fs::create_dir(folder.file("folder.talk")).expect("created");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("coreutils").success());
    for command in ["/restore folder", "/restore pipe", "/save folder", "/save pipe"] {
        let errors = refusal(&prompt(&["--saves", &path], format!("{command}\n").as_bytes()), 1);
        assert!(errors.contains("found a folder, device or pipe of that name"), "{command}: {errors}");
    }
    assert_eq!(std::fs::read_dir(&path).expect("a folder").count(), 2, "nothing else is left there");
}

#[test]
fn quit_ends_the_run_before_the_next_line() {
    let output = prompt(&[], b"/quit\nplay some jazz\n");
    assert!(refusal(&output, 0).is_empty());
}

#[test]
fn a_context_beyond_the_models_is_refused_with_its_maximum() {
    let errors = refusal(&prompt(&["--ctx", "100000"], b"hi\n"), 1);
    assert!(errors.contains("context of 100000 tokens asked for, the model takes at most 512"), "{errors}");
    assert!(errors.contains("--ctx"), "{errors}");
}

#[test]
fn chat_on_a_file_that_is_missing_or_no_model_says_so() {
    let folder = Folder::new();
    let no_model = folder.write("text.tern", &b"this is no model ".repeat(100));
    for (file, expected) in [
        (folder.file("missing.tern"), "expected a model file, found none: No such file"),
        (folder.file(""), "expected a model file, found none: not a regular file"),
        (folder.write("empty.tern", b""), "expected a model file, found none: the file is empty"),
        (no_model, "magic"),
    ] {
        let mut command = ternlet();
        command.args(["chat", &file]);
        let errors = refusal(&feed(command, b"hi\n"), 1);
        assert!(errors.contains(&file) && errors.contains(expected), "expected {expected:?}, found {errors}");
    }
}
