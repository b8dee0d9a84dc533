//! Another program, run beside ours
//!
//! A command line for the shell, in which `{threads}`, `{prompt}` and `{tokens}` stand for the case's. Its speeds are read
//! from what it prints: `llama-bench`'s table or JSON, the timings of `llama-cli`, or the JSON of `ternlet bench`. A
//! program that prints none of these is timed as a whole, loading included, and compared with our prefill and decode.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::case::Case;
use crate::error::Error;

/// How often a running peer is looked at: rarely, not to disturb it.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Bytes that are kept of what a peer prints on one stream: the last, where summaries are.
const KEPT: usize = 1 << 20;

/// A program to compare with.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// For the shell.
    pub(crate) command: String,
    /// After which it counts as hanging.
    pub(crate) timeout: Duration,
}

/// What a peer was found to do, in tokens per second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(crate) struct Speed {
    /// Of prefill.
    pub(crate) prefill: Option<f64>,
    /// Of decoding.
    pub(crate) decode: Option<f64>,
    /// Of all tokens over the whole run, where it printed neither.
    pub(crate) whole: Option<f64>,
}

impl Peer {
    /// Runs it for `case`.
    pub(crate) fn run(&self, case: &Case) -> Result<Speed, Error> {
        let command = filled_in(&self.command, case);
        let failed = |problem: String| {
            Error::new(format!("--peer '{command}'"), problem)
                .hint("run the command by itself to see what it says")
        };
        let start = Instant::now();
        let (status, stdout, stderr) = self.finish(&command).map_err(&failed)?;
        let seconds = start.elapsed().as_secs_f64();
        if !status.success() {
            let said = last_line(&stderr).or_else(|| last_line(&stdout)).unwrap_or("nothing");
            return Err(failed(format!("expected exit status 0, found {status}; it said: {said}")));
        }
        // Timings go to stderr in some programs.
        let found = parse(&stdout).or_else(|| parse(&stderr));
        let n_tokens = f64::from(case.prompt_tokens) + f64::from(case.n_tokens);
        Ok(found.unwrap_or(Speed { whole: Some(n_tokens / seconds), ..Speed::default() }))
    }

    /// Runs `command` until it has ended and closed its output, or for as long as it may take. Nothing of it stays.
    fn finish(&self, command: &str) -> Result<(ExitStatus, String, String), String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // With all that it starts it can be ended at once.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut child = shell.spawn().map_err(|e| format!("expected a shell that starts, found: {e}"))?;
        let finished = self.wait(&mut child);
        end(&mut child);
        finished
    }

    /// Waits for the shell, and for whatever else holds its output.
    fn wait(&self, child: &mut Child) -> Result<(ExitStatus, String, String), String> {
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        let start = Instant::now();
        let late = |what: &str| {
            let seconds = self.timeout.as_secs();
            format!("expected an end within {seconds} s (--peer-timeout), found {what} still running")
        };
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() < self.timeout => thread::sleep(LOOK_EVERY),
                Ok(None) => return Err(late("it")),
                Err(e) => return Err(format!("expected its exit status, found: {e}")),
            }
        };
        let text = |reader: &Receiver<String>| {
            let left = self.timeout.saturating_sub(start.elapsed());
            reader.recv_timeout(left).map_err(|_| late("what it started in the background"))
        };
        Ok((status, text(&stdout)?, text(&stderr)?))
    }
}

/// Reads a pipe to its end, whatever the bytes, and sends what is kept of it.
fn reader(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let bytes = pipe.map(last_bytes).unwrap_or_default();
        // After the deadline nobody listens.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The last [`KEPT`] bytes of `pipe`.
fn last_bytes(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error is still worth a look.
    while let Ok(1..) = pipe.by_ref().take(KEPT as u64).read_to_end(&mut bytes) {
        bytes.drain(..bytes.len().saturating_sub(KEPT));
    }
    bytes.drain(..bytes.len().saturating_sub(KEPT));
    bytes
}

/// Ends the shell and all that it started, also where the shell itself has ended.
fn end(child: &mut Child) {
    #[cfg(target_os = "linux")]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    // Already ended, it needs neither.
    let _ = child.kill();
    let _ = child.wait();
}

fn filled_in(command: &str, case: &Case) -> String {
    command
        .replace("{threads}", &case.threads.to_string())
        .replace("{prompt}", &case.prompt_tokens.to_string())
        .replace("{tokens}", &case.n_tokens.to_string())
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().rev().find(|line| !line.trim().is_empty())
}

/// The speeds in what a program printed; `None` if there are none.
fn parse(text: &str) -> Option<Speed> {
    let found = json(text).unwrap_or_else(|| {
        let mut found = Speed::default();
        for line in text.lines() {
            table_row(line, &mut found);
            timing(line, &mut found);
        }
        found
    });
    (found != Speed::default()).then_some(found)
}

/// A speed that ours can be divided by: finite and above zero. Anything else tells nothing.
fn is_told(speed: &f64) -> bool {
    speed.is_finite() && *speed > 0.0
}

fn told(figure: &str) -> Option<f64> {
    figure.parse().ok().filter(is_told)
}

/// A row of llama-bench's table: `| model | ... | pp128 | 86.20 ± 0.05 |`; the last of a kind counts.
fn table_row(line: &str, found: &mut Speed) {
    let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
    let [.., test, speed] = cells[..] else { return };
    let Some(speed) = speed.split_whitespace().next().and_then(told) else { return };
    let is = |kind: &str| {
        let count = test.split_whitespace().next().unwrap_or_default().strip_prefix(kind);
        count.is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if is("pp") {
        found.prefill = Some(speed);
    } else if is("tg") {
        found.decode = Some(speed);
    }
}

/// A line of llama.cpp's timings: `prompt eval time = ... ( 11.60 ms per token, 86.20 tokens per second)`.
fn timing(line: &str, found: &mut Speed) {
    let Some((before, _)) = line.split_once(" tokens per second") else { return };
    let Some(speed) = before.split_whitespace().next_back().and_then(told) else { return };
    if line.contains("prompt eval time") {
        found.prefill = Some(speed);
    } else if line.contains("eval time") {
        found.decode = Some(speed);
    }
}

/// llama-bench's `-o json` (a list of tests), or a report of `ternlet bench --json`.
fn json(text: &str) -> Option<Speed> {
    let value: Value = serde_json::from_str(text.trim()).ok()?;
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64);
    if let Some(case) = value.get("cases").and_then(|cases| cases.get(0)) {
        let speed = |key: &str| number(case, key).filter(is_told);
        let (prefill, decode) = (speed("prefill_tok_per_s"), speed("decode_tok_per_s"));
        return Some(Speed { prefill, decode, whole: None });
    }
    let mut found = Speed::default();
    for test in value.as_array()? {
        let speed = number(test, "avg_ts").filter(is_told);
        match (number(test, "n_prompt")?, number(test, "n_gen")?) {
            (_, 0.0) => found.prefill = speed,
            (0.0, _) => found.decode = speed,
            _ => {}
        }
    }
    Some(found)
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: Case = Case { threads: 2, slots: 1, prompt_tokens: 128, n_tokens: 48 };

    fn peer(command: &str) -> Peer {
        Peer { command: command.into(), timeout: Duration::from_secs(20) }
    }

    #[test]
    fn speeds_are_read_in_every_form() {
        let table = "| model | size | threads | test | t/s |\n| --- | ---: | ---: | ---: | ---: |\n\
                     | bitnet 2B | 1 GiB | 1 | pp128 | 86.20 ± 0.05 |\n| bitnet 2B | 1 GiB | 1 | tg48 | 32.75 ± 1.00 |\n";
        let timings = "llama_print_timings: prompt eval time = 1485.0 ms / 128 tokens ( 11.60 ms per token, 86.20 tokens per second)\n\
                       llama_print_timings:        eval time = 1465.6 ms /  48 runs   ( 30.53 ms per token, 32.75 tokens per second)\n";
        let json = r#"[{"n_prompt": 128, "n_gen": 0, "avg_ts": 86.2}, {"n_prompt": 0, "n_gen": 48, "avg_ts": 32.75}]"#;
        let own = r#"{"cases": [{"prefill_tok_per_s": 86.2, "decode_tok_per_s": 32.75}]}"#;
        let expected = Speed { prefill: Some(86.2), decode: Some(32.75), whole: None };
        for text in [table, timings, json, own] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        let zero = r#"[{"n_prompt": 0, "n_gen": 48, "avg_ts": 0.0}]"#;
        let none = [
            "",
            "hello",
            "| a | b |",
            "[1, 2]",
            "{}",
            "| tg4 | 0.00 |",
            "| tg4 | -5 |",
            "| pp4 | inf |",
            zero,
        ];
        for text in none {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_peer_gets_the_case_and_is_timed_if_it_tells_nothing() {
        let speed = peer("echo '| x | tg{tokens} | {threads}.5 |'").run(&CASE).unwrap();
        assert_eq!(speed, Speed { decode: Some(2.5), ..Speed::default() });
        let speed = peer("sleep 0.1").run(&CASE).unwrap();
        assert!(speed.whole.is_some_and(|whole| whole < 1760.0 && whole > 1.0), "{speed:?}");
    }

    #[test]
    fn a_peer_that_fails_says_why() {
        let refusal = peer("echo no such model >&2; exit 3").run(&CASE).unwrap_err().to_string();
        assert!(refusal.contains("exit status: 3") && refusal.contains("no such model"), "{refusal}");
        let refusal = peer("./no-such-program").run(&CASE).unwrap_err().to_string();
        assert!(refusal.contains("127"), "{refusal}");
    }

    #[test]
    fn a_peer_that_hangs_is_ended_with_all_it_started() {
        let hanging = Peer { timeout: Duration::from_millis(100), ..peer("sleep 60 & sleep 60") };
        let start = Instant::now();
        let refusal = hanging.run(&CASE).unwrap_err().to_string();
        assert!(refusal.contains("--peer-timeout") && start.elapsed() < Duration::from_secs(20), "{refusal}");
    }

    #[test]
    fn what_a_peer_leaves_in_the_background_is_ended_too() {
        let leaving = Peer { timeout: Duration::from_secs(1), ..peer("sleep 60 & echo hi") };
        let start = Instant::now();
        let refusal = leaving.run(&CASE).unwrap_err().to_string();
        assert!(refusal.contains("background") && start.elapsed() < Duration::from_secs(20), "{refusal}");
    }

    #[test]
    fn the_last_of_a_long_output_is_kept() {
        let long = [vec![b'y'; 3 * KEPT + 5], b"| tg4 | 2.5 |".to_vec()].concat();
        let kept = last_bytes(&long[..]);
        assert!(kept.len() == KEPT && long.ends_with(&kept));
        assert_eq!(last_bytes(&b"short"[..]), b"short");
    }
}
