//! The program `ternlet` of this build, also where it is built for Arm and emulated

use std::env;
use std::process::{Command, Output};

/// `ternlet`, ready for arguments. An emulated test cannot start an Arm program by itself on a host of another
/// kind: the runner that Cargo used for the test starts it.
pub(crate) fn ternlet() -> Command {
    let path = env!("CARGO_BIN_EXE_ternlet");
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

/// Runs `ternlet` with `arguments` to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    ternlet().args(arguments).output().expect("ternlet starts")
}
