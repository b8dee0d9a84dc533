//! A conversation longer than the context: the oldest turns go, the rest goes on exactly

use crate::script::talk_in_turns;

const CONTEXT: u32 = 72;
/// So few that every answer ends there, with and without earlier turns in sight.
const N_TOKENS: u32 = 6;

/// Turns that the notice in `turn` says were dropped.
fn n_dropped(turn: &str) -> usize {
    let Some((_, rest)) = turn.split_once("(the context is full: the oldest ") else { return 0 };
    let n = rest.split(' ').next().expect("a word");
    if n == "turn" { 1 } else { n.parse().expect("a number of turns") }
}

/// What the model said in `turn`: neither the echo nor notices.
fn answer(turn: &str) -> String {
    turn.lines().skip(1).filter(|line| !line.starts_with('(')).collect()
}

#[test]
fn thirty_turns_are_answered_and_the_last_as_if_only_the_kept_turns_had_been() {
    let lines: Vec<String> = (0..30).map(|i| format!("set an alarm for {i} o'clock")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    // At a high temperature each token depends on every logit before it: other logits would give other text.
    lines.extend(["/set temperature 3", "play some jazz"]);
    let long = talk_in_turns(CONTEXT, N_TOKENS, &lines);
    let turns = long.turns();
    // The last piece is the prompt sign that met the end of the input.
    assert_eq!(turns.len(), lines.len() + 1, "{}", long.screen);
    assert_eq!(long.n_failed, 0, "{}", long.screen);
    assert!(turns.iter().zip(&lines).all(|(turn, line)| turn.len() > line.len()), "{}", long.screen);

    // Turns that the last one still sees.
    let n_kept = 30 - turns.iter().map(|turn| n_dropped(turn)).sum::<usize>();
    assert!((1..5).contains(&n_kept), "{n_kept} turns kept:\n{}", long.screen);
    let first = 30 - n_kept;
    let fresh = talk_in_turns(CONTEXT, N_TOKENS, &lines[first..]);
    for (of_long, of_fresh) in turns[first..].iter().zip(fresh.turns()) {
        assert_eq!(n_dropped(of_fresh), 0, "{}", fresh.screen);
        assert_eq!(answer(of_long), answer(of_fresh), "{}\n\n{}", long.screen, fresh.screen);
    }

    // The kept turns matter: without them the last answer is another.
    let alone = talk_in_turns(CONTEXT, N_TOKENS, &lines[30..]);
    assert_ne!(answer(turns[31]), answer(alone.turns()[1]));
}

#[test]
fn a_prompt_longer_than_the_context_leaves_the_conversation_as_it_was() {
    let long = "word ".repeat(80);
    let with = talk_in_turns(64, N_TOKENS, &["play some jazz", &long, "set an alarm"]);
    let without = talk_in_turns(64, N_TOKENS, &["play some jazz", "set an alarm"]);
    assert!(with.turns()[1].contains("tokens, the context holds 64; shorten it"), "{}", with.screen);
    assert_eq!(with.n_failed, 1);
    assert_eq!(with.turns()[2], without.turns()[1]);
}

#[test]
fn the_system_message_outlives_the_turns() {
    let lines: Vec<String> = (0..4).map(|i| format!("set an alarm for {i} o'clock")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.insert(0, "/system Reply with a joke.");
    // So long that nothing but the system message can stay beside it.
    let last = "play jazz and jazz and jazz and jazz and jazz and jazz and jazz and jazz and jazz";
    lines.extend(["/set temperature 3", last]);
    let long = talk_in_turns(CONTEXT, N_TOKENS, &lines);
    let fresh = talk_in_turns(CONTEXT, N_TOKENS, &[lines[0], "/set temperature 3", last]);
    let without = talk_in_turns(CONTEXT, N_TOKENS, &["/set temperature 3", last]);
    assert_eq!(long.turns().iter().map(|turn| n_dropped(turn)).sum::<usize>(), 4, "{}", long.screen);
    assert_eq!(answer(long.turns()[6]), answer(fresh.turns()[2]), "{}", long.screen);
    assert_ne!(answer(fresh.turns()[2]), answer(without.turns()[1]), "{}", fresh.screen);
}
