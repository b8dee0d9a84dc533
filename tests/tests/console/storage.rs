//! `/save` and `/restore`: a conversation goes on where it was saved, and a damaged one is refused

use std::collections::BTreeMap;

use embedded_io::{ErrorKind, ErrorType, Read, Write};
use ternlet_runtime::Storage;

use super::script::{Transcript, When, talk_with};

/// Conversations in memory.
#[derive(Debug, Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

/// A vector as a stream.
struct Bytes(Vec<u8>);

impl ErrorType for Bytes {
    type Error = ErrorKind;
}

impl Write for Bytes {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Read for Bytes {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let n = buf.len().min(self.0.len());
        buf[..n].copy_from_slice(&self.0[..n]);
        self.0.drain(..n);
        Ok(n)
    }
}

impl Storage for Memory {
    fn save(
        &mut self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write<Error = ErrorKind>) -> Result<(), ErrorKind>,
    ) -> Result<(), ErrorKind> {
        let mut bytes = Bytes(Vec::new());
        write(&mut bytes)?;
        self.0.insert(name.into(), bytes.0);
        Ok(())
    }

    fn restore(
        &mut self,
        name: &str,
        read: &mut dyn FnMut(&mut dyn Read<Error = ErrorKind>),
    ) -> Result<(), ErrorKind> {
        let bytes = self.0.get(name).ok_or(ErrorKind::NotFound)?;
        read(&mut Bytes(bytes.clone()));
        Ok(())
    }
}

/// A conversation with a place for others, answers of five tokens.
fn talk(memory: &mut Memory, context: u32, lines: &[&str]) -> Transcript {
    let typed: Vec<String> = lines.iter().map(|line| format!("{line}\r")).collect();
    let typed: Vec<(When, &str)> = typed.iter().map(|line| (When::Asked, line.as_str())).collect();
    talk_with(context, 5, &typed, Some(memory))
}

const TURNS: [&str; 2] = ["set gpio 17 high", "play some jazz"];

#[test]
fn a_restored_conversation_goes_on_as_the_one_that_was_saved() {
    let mut memory = Memory::default();
    let expected = talk(&mut memory, 200, &[TURNS[0], TURNS[1], "set gpio 17 high", "and low"]);
    let saved =
        talk(&mut memory, 200, &[TURNS[0], TURNS[1], "/save monday", "set an alarm", "/save tuesday"]);
    assert!(saved.screen.contains("saved as monday: "), "{}", saved.screen);
    // In another session, behind another conversation, after a reset.
    let lines = ["set an alarm", "/restore monday", "set gpio 17 high", "and low"];
    let found = talk(&mut memory, 200, &lines);
    assert_eq!(found.n_failed, 0, "{}", found.screen);
    assert_eq!(found.turns()[2..4], expected.turns()[2..4]);
    assert!(found.turns()[1].contains("restored monday: "), "{}", found.screen);
    // Nothing of it was computed again: the figures count the prompts alone.
    let lines = ["/restore monday", "/stats"];
    let stats = talk(&mut memory, 200, &lines);
    assert!(stats.screen.contains("prefill: 0 tokens"), "{}", stats.screen);
}

#[test]
fn a_restored_conversation_drops_its_oldest_turns_when_the_context_is_full() {
    let mut memory = Memory::default();
    let more: Vec<&str> = TURNS.into_iter().cycle().take(12).collect();
    let expected = talk(&mut memory, 64, &[&TURNS[..], &more].concat());
    talk(&mut memory, 64, &[TURNS[0], TURNS[1], "/save it"]);
    let found = talk(&mut memory, 64, &[&["/restore it"], &more[..]].concat());
    assert!(expected.screen.contains("the oldest turn was dropped"), "{}", expected.screen);
    assert_eq!(found.turns()[1..], expected.turns()[2..]);
}

#[test]
fn what_cannot_be_kept_or_found_is_refused() {
    let long = format!("/save {}", "x".repeat(65));
    let cases = [
        ("/save", "expected a name of 1 to 64 letters"),
        ("/save ../monday", "expected a name of 1 to 64 letters"),
        (&long, "expected a name of 1 to 64 letters"),
        ("/restore sunday", "expected a saved conversation, found none of that name"),
    ];
    for (line, expected) in cases {
        let found = talk(&mut Memory::default(), 64, &[TURNS[0], line, TURNS[1]]);
        assert_eq!(found.n_failed, 1, "{}", found.screen);
        assert!(found.screen.contains(expected), "{line}: {}", found.screen);
    }
    for line in ["/save it", "/restore it"] {
        let typed = format!("{line}\r");
        let found = talk_with(64, 5, &[(When::Asked, &typed)], None);
        assert_eq!(found.n_failed, 1, "{}", found.screen);
        assert!(found.screen.contains("there is no storage here"), "{}", found.screen);
    }
    let mut memory = Memory::default();
    talk(&mut memory, 200, &[TURNS[0], TURNS[1], "/save it"]);
    let found = talk(&mut memory, 16, &["/restore it"]);
    assert!(found.screen.contains("tokens, the context: expected at most 16, found"), "{}", found.screen);
}

#[test]
fn damage_anywhere_leaves_an_empty_conversation_that_works() {
    let mut memory = Memory::default();
    talk(&mut memory, 64, &[TURNS[0], "/save it"]);
    let whole = memory.0["it"].clone();
    let expected = talk(&mut memory, 64, &[TURNS[1]]);
    // Every byte of the conversation and of the prefix file's header, and some of its rows.
    let flips = (0..300).chain((300..whole.len()).step_by(whole.len() / 40));
    let cuts = (0..200).step_by(7).chain([whole.len() - 1]);
    let damaged = flips.map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        bytes
    });
    for bytes in damaged.chain(cuts.map(|len| whole[..len].to_vec())) {
        memory.0.insert("it".into(), bytes);
        let found = talk(&mut memory, 64, &[TURNS[0], "/restore it", TURNS[1]]);
        assert_eq!(found.n_failed, 1, "{}", found.screen);
        assert!(found.turns()[1].contains("the conversation is empty"), "{}", found.screen);
        assert_eq!(found.turns()[2], expected.turns()[0]);
    }
}
