//! The program `ternlet` of this build, also where it is built for Arm and emulated

use core::sync::atomic::{AtomicU32, Ordering};
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output, Stdio};

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

/// Runs `command` to its end with `input` on stdin.
pub(crate) fn feed(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("ternlet starts");
    // A program that has ended with a usage error reads no input.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("ternlet ends")
}

/// Checks that a run ended with `status` and an empty stdout; returns stderr.
pub(crate) fn refusal(output: &Output, status: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// The model that ships with the repository, as a file.
pub(crate) fn model() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/model/demo.tern")
}

/// An empty folder, removed at the end of its test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("command-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("created");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Path of a file in it, as an argument.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path in UTF-8").into()
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.file(name);
        fs::write(&path, content).expect("written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is a nuisance, not a failure.
        let _ = fs::remove_dir_all(&self.0);
    }
}
