//! A board in QEMU, with its console in the test's hands
//!
//! Every wait has a limit, and whatever goes wrong the test ends with all that the board printed.
//! QEMU ends with the value, so no machine outlives its test.

use core::time::Duration;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use ternlet_board::{Machine, build_image};

/// How long one machine may take from power-on to its last word. Two busy cores emulate slowly.
const LIMIT: Duration = Duration::from_secs(120);

/// The flat image, built once per test program.
///
/// # Panics
/// If it does not build; cargo has said why.
pub fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| build_image().unwrap_or_else(|error| panic!("{error}")))
}

/// A running machine.
#[derive(Debug)]
pub struct VirtualBoard {
    qemu: Child,
    keyboard: Option<ChildStdin>,
    screen: Receiver<Vec<u8>>,
    /// Everything printed.
    printed: Vec<u8>,
    /// How much of it earlier waits have consumed.
    consumed: usize,
    deadline: Instant,
}

impl VirtualBoard {
    /// Switches a machine on.
    ///
    /// # Panics
    /// If QEMU does not start.
    #[must_use]
    pub fn boot(machine: &Machine) -> Self {
        Self::start(machine.command(image()))
    }

    /// Switches on whatever `command` describes.
    ///
    /// # Panics
    /// If QEMU does not start.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut qemu = command.spawn().unwrap_or_else(|error| {
            panic!("cannot start qemu-system-aarch64 (bash tests/setup.sh installs it): {error}")
        });
        let mut stdout = qemu.stdout.take().expect("piped");
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n_bytes @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..n_bytes].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keyboard = qemu.stdin.take();
        Self { qemu, keyboard, screen, printed: Vec::new(), consumed: 0, deadline: Instant::now() + LIMIT }
    }

    /// Types `text`, in pieces that fit the UART's FIFO.
    ///
    /// # Panics
    /// If QEMU is gone.
    pub fn send(&mut self, text: &[u8]) {
        let keyboard = self.keyboard.as_mut().expect("a running machine");
        keyboard.write_all(text).and_then(|()| keyboard.flush()).expect("QEMU reads the keyboard");
    }

    /// Waits for `text` and returns what was printed since the last wait, up to and with it.
    ///
    /// # Panics
    /// If the time is over or QEMU ends first.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let fresh = &self.printed[self.consumed..];
            if let Some(at) = fresh.windows(text.len()).position(|window| window == text.as_bytes()) {
                let end = self.consumed + at + text.len();
                let seen = String::from_utf8_lossy(&self.printed[self.consumed..end]).into_owned();
                self.consumed = end;
                return seen;
            }
            assert!(
                self.read_more(),
                "expected {text:?}, found the end of the machine:\n{}",
                self.transcript()
            );
        }
    }

    /// Waits until the machine switches itself off; returns all that it printed.
    ///
    /// # Panics
    /// If the time is over or QEMU reports an error.
    #[must_use]
    pub fn wait_for_power_off(mut self) -> String {
        while self.read_more() {}
        let status = self.qemu.wait().expect("QEMU was started");
        assert!(status.success(), "QEMU ended with {status}:\n{}", self.transcript());
        self.transcript()
    }

    /// All that was printed so far.
    #[must_use]
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    /// Takes what the board prints next; false when QEMU has closed the console.
    fn read_more(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.screen.recv_timeout(left) {
            Ok(bytes) => {
                self.printed.extend(bytes);
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("no end within {LIMIT:?}:\n{}", self.transcript()),
        }
    }
}

impl Drop for VirtualBoard {
    fn drop(&mut self) {
        // Errors mean that QEMU has ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
