//! Lines, commands, Ctrl-C and type-ahead

use ternlet_runtime::Ended;

use crate::script::{When, talk, talk_in_turns};

const JAZZ: &str = "play some jazz";
const ALARM: &str = "set an alarm for seven";

#[test]
fn a_line_is_echoed_and_answered() {
    let transcript = talk_in_turns(128, 24, &[JAZZ]);
    let screen = &transcript.screen;
    let answer = screen.strip_prefix("> play some jazz\r\n").expect("the echo of the line");
    let answer = answer.strip_suffix("\r\n> ").expect("the answer on lines of its own, then a prompt sign");
    assert!(!answer.trim().is_empty(), "{screen:?}");
    assert_eq!((transcript.n_failed, transcript.ended), (0, Ended::EndOfInput));
}

#[test]
fn the_editor_sends_what_the_screen_shows() {
    let expected = talk_in_turns(128, 12, &[JAZZ]);
    let after_echo = |turn: &str| turn.split_once("\r\n").map(|(_, answer)| answer.to_owned());
    // A wrong letter taken back; letters put in before the last one; a whole line thrown away first.
    for typed in ["play some jax\x7fzz\r", "play some jz\x1b[Daz\r", "stop\x15play some jazz\r"] {
        let edited = talk(128, 12, &[(When::Asked, typed)]);
        assert_eq!(after_echo(edited.turns()[0]), after_echo(expected.turns()[0]), "{typed:?}");
    }
}

#[test]
fn ctrl_c_stops_an_answer_and_the_next_prompt_is_answered() {
    let whole = talk_in_turns(128, 24, &[JAZZ, ALARM]);
    let line = format!("{JAZZ}\r");
    // The first look is before the prompt is prefilled, each further one behind a token of the answer.
    let stopped = talk(
        128,
        24,
        &[(When::Asked, &line), (When::AtLook(4), "\x03"), (When::Asked, "set an alarm for seven\r")],
    );
    let (whole, stopped) = (whole.turns(), stopped.turns());
    assert!(
        stopped[0].len() > JAZZ.len() && stopped[0].len() < whole[0].len(),
        "{:?} of {:?}",
        stopped[0],
        whole[0]
    );
    assert!(whole[0].starts_with(stopped[0]), "{:?} of {:?}", stopped[0], whole[0]);
    assert!(stopped[1].starts_with(ALARM) && stopped[1].len() > ALARM.len(), "{:?}", stopped[1]);
}

#[test]
fn ctrl_c_before_the_first_token_leaves_no_answer_and_a_working_prompt() {
    let line = format!("{JAZZ}\r");
    let transcript = talk(128, 8, &[(When::Asked, &line), (When::AtLook(1), "\x03"), (When::Asked, &line)]);
    let turns = transcript.turns();
    assert_eq!(turns[0], JAZZ);
    assert!(turns[1].len() > JAZZ.len(), "{turns:?}");
    assert_eq!(transcript.n_failed, 0);
}

#[test]
fn ctrl_c_at_the_prompt_throws_the_line_away() {
    let transcript = talk(128, 8, &[(When::Asked, "half a li\x03"), (When::Asked, "/stats\r")]);
    let turns = transcript.turns();
    assert_eq!(turns[0], "half a li^C");
    assert!(turns[1].contains("prefill: 0 tokens"), "{turns:?}");
}

#[test]
fn what_is_typed_during_an_answer_is_the_next_line() {
    let expected = talk_in_turns(128, 24, &[JAZZ, ALARM]);
    let (first, next) = (format!("{JAZZ}\r"), format!("{ALARM}\r"));
    for look in [1, 3] {
        let ahead = talk(128, 24, &[(When::Asked, &first), (When::AtLook(look), &next)]);
        assert_eq!(ahead.screen, expected.screen, "typed at look {look}");
    }
    // More than is kept at once: the rest waits in the stream.
    let long = format!("{}\r", "word ".repeat(90));
    let expected = talk_in_turns(256, 4, &[JAZZ, long.trim_end_matches('\r'), ALARM]);
    let ahead = talk(256, 4, &[(When::Asked, &first), (When::AtLook(2), &format!("{long}{next}"))]);
    assert_eq!(ahead.screen, expected.screen);
}

#[test]
fn commands_are_obeyed_and_refused_in_words() {
    let lines = [
        "/help",
        "/system Answer briefly.",
        "/set temperature 0.5",
        "/set top-p 2",
        "/stats",
        "/selftest",
        "/reset",
        "/frobnicate",
        "/set tokens",
        "/quit",
        "never read",
    ];
    let transcript = talk_in_turns(64, 4, &lines);
    let turns = transcript.turns();
    let expected = [
        "/selftest              compare",
        "the system message is set; the conversation starts over",
        "temperature 0.5, top-k 0, top-p 1, seed 0, tokens 4",
        "error: top-p must be above 0 and at most 1, is 2",
        "context: 0 of 64 tokens, KV cache f16",
        "selftest: PASS logits_hash ",
        "the conversation is forgotten",
        "error: unknown command /frobnicate: /help lists them; start a prompt with // to send a slash",
        "error: tokens: expected a whole number, found \"\"",
        "",
    ];
    assert_eq!(turns.len(), expected.len(), "{}", transcript.screen);
    for ((turn, line), expected) in turns.iter().zip(lines).zip(expected) {
        assert!(turn.starts_with(line) && turn.contains(expected), "expected {expected:?}, found {turn:?}");
    }
    assert_eq!((transcript.n_failed, transcript.ended), (3, Ended::Quit));
}

#[test]
fn two_slashes_send_one_to_the_model() {
    let transcript = talk_in_turns(128, 4, &["//reset", "/stats"]);
    let turns = transcript.turns();
    assert!(!turns[0].contains("error") && !turns[0].contains("forgotten"), "{turns:?}");
    assert!(!turns[1].contains("prefill: 0 tokens"), "{turns:?}");
    assert_eq!(transcript.n_failed, 0);
}

#[test]
fn reset_makes_the_next_answer_the_first_one() {
    let transcript = talk_in_turns(128, 24, &[JAZZ, ALARM, "/reset", JAZZ]);
    let turns = transcript.turns();
    assert_eq!(turns[0], turns[3]);
}

#[test]
fn the_self_test_leaves_the_conversation_as_it_was() {
    let plain = talk_in_turns(128, 12, &[JAZZ, ALARM]);
    let tested = talk_in_turns(128, 12, &[JAZZ, "/selftest", ALARM]);
    assert_eq!(plain.turns()[1], tested.turns()[2]);
}
