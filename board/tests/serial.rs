//! `ternlet-serial` at the far end of a pseudo-terminal, as a person with a serial cable sees it
#![cfg(unix)]

use core::time::Duration;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use ternlet_board::shipped_model;

/// How long a whole test may take. Under an emulator each token takes a while.
const LIMIT: Duration = Duration::from_secs(300);

/// `ternlet-serial`, ready for arguments. An emulated test cannot start an Arm program by itself on a
/// host of another kind: the runner that cargo used for the test starts it.
fn ternlet_serial() -> Command {
    let path = env!("CARGO_BIN_EXE_ternlet-serial");
    let runner = env::var("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next() {
        Some(emulator) if cfg!(target_arch = "aarch64") => {
            let mut command = Command::new(emulator);
            command.args(words).arg(path);
            command
        }
        _ => Command::new(path),
    }
}

/// A serial cable: the test holds one end, the program opens the other by name.
struct Cable {
    end: File,
    /// The program's end as the test sees it: keeps the line open, shows its modes.
    other: File,
    name: String,
    arrived: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    consumed: usize,
    deadline: Instant,
}

impl Cable {
    fn new() -> Self {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&end).and_then(|()| unlockpt(&end)).expect("a usable pseudo-terminal");
        let name = ptsname(&end, Vec::new()).expect("its name").into_string().expect("ASCII");
        let other = OpenOptions::new().read(true).write(true).open(&name).expect("its other end");
        let end = File::from(end);
        let mut reader = end.try_clone().expect("a second handle");
        let (sender, arrived) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n_bytes @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..n_bytes].to_vec()).is_err() {
                    return;
                }
            }
        });
        let deadline = Instant::now() + LIMIT;
        Self { end, other, name, arrived, seen: Vec::new(), consumed: 0, deadline }
    }

    fn send(&mut self, text: &str) {
        self.end.write_all(text.as_bytes()).expect("an open line");
    }

    /// What arrived since the last wait, up to and with `text`.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let fresh = &self.seen[self.consumed..];
            if let Some(at) = fresh.windows(text.len()).position(|window| window == text.as_bytes()) {
                let end = self.consumed + at + text.len();
                let found = String::from_utf8_lossy(&self.seen[self.consumed..end]).into_owned();
                self.consumed = end;
                return found;
            }
            match self.arrived.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen.extend(bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("expected {text:?}, found {:?}", String::from_utf8_lossy(&self.seen))
                }
            }
        }
    }

    /// Whether the line is in raw mode.
    fn is_raw(&self) -> bool {
        !tcgetattr(&self.other).expect("a terminal").local_modes.contains(LocalModes::ICANON)
    }
}

/// Ends the program with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Errors mean that it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_session_over_a_serial_line_answers_and_leaves_the_line_as_it_was() {
    let mut cable = Cable::new();
    assert!(!cable.is_raw());
    let mut command = ternlet_serial();
    command.arg(shipped_model()).args(["--threads", "2", "--tty", &cable.name]);
    let mut program = Program(command.stdin(Stdio::null()).spawn().expect("ternlet-serial starts"));

    cable.wait_for("> ");
    assert!(cable.is_raw());
    cable.send("Once upon a tine\x7f\x7fme\r");
    cable.wait_for("me\r\n");
    let answer = cable.wait_for("\r\n> ");
    assert!(answer.len() > 8, "expected an answer, found {answer:?}");
    assert!(!answer.replace("\r\n", "").contains('\n'), "bare line feeds climb stairs: {answer:?}");

    cable.send("/selftest\r");
    let report = cable.wait_for("\r\n> ");
    assert!(report.contains("PASS"), "{report:?}");

    cable.send("/nonsense\r");
    let complaint = cable.wait_for("\r\n> ");
    assert!(complaint.contains("error"), "{complaint:?}");

    cable.send("/quit\r");
    let status = program.0.wait().expect("ternlet-serial was started");
    assert!(status.success(), "{status}");
    assert!(!cable.is_raw(), "the line stays in raw mode");
}

#[test]
fn a_pipe_gives_one_answer_per_line() {
    let mut command = ternlet_serial();
    command.arg(shipped_model()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().expect("ternlet-serial starts");
    program.stdin.take().expect("piped").write_all(b"Hello.\nHello.\n").expect("an open pipe");
    let output = program.wait_with_output().expect("ternlet-serial ends with its input");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (first, second) = text.split_at(text.len() / 2);
    assert!(!first.is_empty() && first == second, "the same prompt, the same answer: {text:?}");
}

#[test]
fn a_device_that_is_none_is_named() {
    let model = shipped_model();
    let output =
        ternlet_serial().arg(&model).arg("--tty").arg(&model).output().expect("ternlet-serial starts");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("expected a serial device or terminal"), "{text}");
}
