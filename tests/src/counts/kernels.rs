//! Instructions of every Arm kernel, counted under emulation

use std::ffi::OsString;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use super::execution::{Execution, LOG_OPTIONS, since_marks};

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// A core and the backend that it would choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// As QEMU calls it.
    pub name: &'static str,
    /// As `ternlet-kernels` calls it.
    pub backend: &'static str,
    /// Cores that run this backend, as LLVM calls them: Neoverse N1 is the server twin of Cortex-A76.
    pub models: &'static [&'static str],
}

/// One core for every Arm backend: that of a Raspberry Pi 4, of a Pi 5, and a server's.
pub const CPUS: [Cpu; 3] = [
    Cpu { name: "cortex-a72", backend: "neon", models: &["cortex-a72", "cortex-a53"] },
    Cpu { name: "cortex-a76", backend: "dotprod", models: &["neoverse-n1"] },
    Cpu { name: "neoverse-n2", backend: "i8mm", models: &["neoverse-n2"] },
];

/// One kernel at one shape.
#[derive(Debug, Clone)]
pub struct KernelCount {
    /// Operation, shape and unit, as the program printed it.
    pub name: String,
    /// Weights, products or elements of one round.
    pub units: u64,
    /// One round.
    pub execution: Execution,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the repository")
}

/// A command with the compiler for Arm in its environment.
fn arm_env(command: &str) -> Command {
    let mut bash = Command::new("bash");
    bash.current_dir(root()).args(["tests/arm-env.sh", "linux", command]);
    bash
}

/// The compiler that builds what is counted, as it names itself: `rustc 1.95.0 (59807616e 2026-04-14)`.
///
/// # Panics
/// If there is none for Arm: `tests/setup.sh` installs one.
#[must_use]
pub fn compiler() -> String {
    let output = arm_env("sh").args(["-c", "${RUSTC:-rustc} --version"]).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The program that runs every kernel, built once.
///
/// # Panics
/// If it does not build; cargo has said why.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target_dir = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut build = arm_env(&cargo.to_string_lossy());
        build.args(["build", "--release", "--package", "ternlet-kernels", "--example", "counts"]);
        build.args(["--target", TARGET, "--target-dir"]).arg(&target_dir);
        let status = build.status().expect("bash runs");
        assert!(status.success(), "the program of the kernels does not build for {TARGET}");
        let program = root().join(target_dir).join(TARGET).join("release/examples/counts");
        assert!(fs::exists(&program).is_ok_and(|exists| exists), "{}: not there", program.display());
        program
    })
}

/// Every kernel of `cpu.backend`, executed by an emulated `cpu`.
///
/// # Panics
/// If QEMU is missing or the program fails.
#[must_use]
pub fn count_kernels(cpu: Cpu) -> Vec<KernelCount> {
    let mut qemu = Command::new("qemu-aarch64");
    qemu.args(["-cpu", cpu.name, "-d", LOG_OPTIONS]).arg(program()).arg(cpu.backend);
    let mut running = qemu
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start qemu-aarch64 (bash tests/setup.sh installs it): {e}"));
    let log = BufReader::with_capacity(1 << 20, running.stderr.take().expect("piped"));
    // The few lines of its table fit into the pipe until the log has ended.
    let parts = since_marks(log, "counts4mark").unwrap_or_else(|e| panic!("{e}"));
    let mut table = String::new();
    running.stdout.take().expect("piped").read_to_string(&mut table).expect("text");
    let status = running.wait().expect("it was started");
    assert!(status.success(), "counts {}: {status}", cpu.backend);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(parts.len(), 4 * lines.len(), "four marks for every kernel");
    let counts = lines.iter().zip(parts.chunks_exact(4));
    counts.map(|(line, parts)| kernel_count(line, parts)).collect()
}

/// `line` is `NAME <tab> UNITS`; `parts` are one round, what follows it, two rounds, and what follows them.
fn kernel_count(line: &str, parts: &[Execution]) -> KernelCount {
    let (name, units) =
        line.split_once('\t').unwrap_or_else(|| panic!("expected a name and units: {line:?}"));
    let units = units.parse().unwrap_or_else(|e| panic!("{line:?}: {e}"));
    let execution =
        parts[2].beyond(&parts[0]).unwrap_or_else(|| panic!("{name}: two rounds did less than one"));
    KernelCount { name: name.to_owned(), units, execution }
}
