//! The committed record of counts, and how far a count may rise over it

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use ternlet::pack::Target;
use ternlet::pack::synth::shape_2b4t;

use super::bytes::{Zeros, token_bytes};
use super::kernels::{CPUS, Cpu, KernelCount, compiler, count_kernels};

/// What a count may rise by under the compiler of the record: an instruction more in a loop of fifty is seen.
const TOLERANCE: f64 = 0.02;
/// What it may rise by under another compiler, which allots registers and unrolls in its own way. Between 1.89 and
/// 1.95 the kernels moved by 9 % at most.
const OTHER_COMPILER_TOLERANCE: f64 = 0.15;

/// What makes the record again.
const RE_RECORD: &str = "cargo run --release -p ternlet-tests --features system --example records";

/// One kernel of one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What the kernel is written for.
    pub backend: String,
    /// Operation, shape and unit.
    pub kernel: String,
    /// Instructions of one call, whatever its shape costs beside the loops included.
    pub instructions: u64,
    /// Weights, products or elements of one call.
    pub units: u64,
    /// Instructions per unit.
    pub per_unit: f64,
}

/// What a token of BitNet b1.58 2B-4T reads, packed for one target: an int8 head in two planes, 128 cached positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BytesRow {
    /// What it is packed for.
    pub target: String,
    /// Gates of zero, in percent.
    pub zero_gates: u64,
    /// Inputs of `w_down` of zero, in percent.
    pub zero_inputs: u64,
    /// All of them.
    pub bytes: u64,
}

/// Instructions of every kernel, and bytes of a token: `host-tools/records/arm-counts.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What compiled the kernels, as it names itself.
    pub compiler: String,
    /// Backend by backend, in the order the program runs them.
    pub kernels: Vec<Row>,
    /// Target by target.
    pub token_bytes: Vec<BytesRow>,
}

impl Record {
    /// Builds and counts what the repository holds.
    ///
    /// # Panics
    /// If what `tests/setup.sh` installs is missing, or a program fails.
    #[must_use]
    pub fn count() -> Self {
        Self::of(&CPUS.map(|cpu| (cpu, count_kernels(cpu))))
    }

    /// What was counted, core by core.
    ///
    /// # Panics
    /// If there is no compiler for Arm.
    #[must_use]
    pub fn of(counts: &[(Cpu, Vec<KernelCount>)]) -> Self {
        let rows = counts.iter().flat_map(|(cpu, kernels)| kernels.iter().map(|kernel| row(*cpu, kernel)));
        Self { compiler: compiler(), kernels: rows.collect(), token_bytes: bytes_rows() }
    }

    /// The committed one.
    ///
    /// # Panics
    /// If it is missing or damaged.
    #[must_use]
    pub fn committed() -> Self {
        let path = path();
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Replaces the committed one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn commit(&self) -> io::Result<()> {
        fs::write(path(), self.to_json()?)
    }

    /// A row to a line, so that a change of a kernel is a line of a diff.
    fn to_json(&self) -> io::Result<String> {
        let compiler = serde_json::to_string(&self.compiler)?;
        let (kernels, bytes) = (lines(&self.kernels)?, lines(&self.token_bytes)?);
        Ok(format!("{{\n\"compiler\": {compiler},\n\"kernels\": {kernels},\n\"token_bytes\": {bytes}\n}}\n"))
    }

    /// What is worse than `committed`, or missing on one side: a line each, empty if all is well.
    #[must_use]
    pub fn worse_than(&self, committed: &Self) -> Vec<String> {
        let (ours, theirs) = (self.figures(), committed.figures());
        let mut complaints = Vec::new();
        for (name, figure) in &ours {
            match theirs.get(name) {
                None => complaints.push(format!("{name}: counted, and not in the record")),
                Some(recorded) => {
                    let tolerance = match figure.depends_on_compiler {
                        true if !same_release(&self.compiler, &committed.compiler) => {
                            OTHER_COMPILER_TOLERANCE
                        }
                        _ => TOLERANCE,
                    };
                    if figure.value > recorded.value * (1.0 + tolerance) {
                        complaints.push(format!(
                            "{name}: expected at most {} (+ {:.0} %), found {} (+ {:.1} %)",
                            recorded.value,
                            100.0 * tolerance,
                            figure.value,
                            100.0 * (figure.value / recorded.value - 1.0)
                        ));
                    }
                }
            }
        }
        for name in theirs.keys().filter(|name| !ours.contains_key(*name)) {
            complaints.push(format!("{name}: in the record, and not counted"));
        }
        complaints
    }

    /// Everything that may not rise, by name.
    #[expect(clippy::cast_precision_loss, reason = "bytes of a token are below 2^53")]
    fn figures(&self) -> BTreeMap<String, Figure> {
        let kernels = self.kernels.iter().map(|row| {
            let name = format!("instructions, {} {}", row.backend, row.kernel);
            (name, Figure { value: row.per_unit, depends_on_compiler: true })
        });
        let bytes = self.token_bytes.iter().map(|row| {
            let name = format!("bytes, {} {}/{} % zeros", row.target, row.zero_gates, row.zero_inputs);
            (name, Figure { value: row.bytes as f64, depends_on_compiler: false })
        });
        kernels.chain(bytes).collect()
    }

    /// What to do about complaints.
    #[must_use]
    pub fn way_out(&self, committed: &Self) -> String {
        let mut text = String::new();
        if !same_release(&self.compiler, &committed.compiler) {
            let _ = writeln!(
                text,
                "the record was made with {}, this is {}: with that one the limit is {:.0} %",
                committed.compiler,
                self.compiler,
                100.0 * TOLERANCE
            );
        }
        let _ =
            write!(text, "if what rose is worth it, record it again and say why in the commit: {RE_RECORD}");
        text
    }
}

/// A number that may not rise.
struct Figure {
    value: f64,
    depends_on_compiler: bool,
}

/// A JSON list with a line for every row.
fn lines(rows: &[impl Serialize]) -> io::Result<String> {
    let rows = rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[\n{}\n]", rows.join(",\n")))
}

/// Every target, with the zeros that the exact skip is judged by: none, the least and the most of a trained model.
fn bytes_rows() -> Vec<BytesRow> {
    let config = shape_2b4t();
    let targets = [Target::Any, Target::Pi5, Target::Pi4, Target::Pi3, Target::X86];
    let zeros = [Zeros::NONE, Zeros { gates: 55, inputs: 80 }, Zeros { gates: 80, inputs: 80 }];
    let pairs = targets.iter().flat_map(|&target| zeros.map(|zeros| (target, zeros)));
    let row = |(target, zeros): (Target, Zeros)| BytesRow {
        target: format!("{target:?}").to_lowercase(),
        zero_gates: zeros.gates,
        zero_inputs: zeros.inputs,
        bytes: token_bytes(&config, target, zeros, 128).total(),
    };
    pairs.map(row).collect()
}

fn row(cpu: Cpu, kernel: &KernelCount) -> Row {
    let instructions = kernel.execution.instructions();
    Row {
        backend: cpu.backend.to_owned(),
        kernel: kernel.name.clone(),
        instructions,
        units: kernel.units,
        per_unit: per_unit(instructions, kernel.units),
    }
}

/// Rounded to what a record shows.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn per_unit(instructions: u64, units: u64) -> f64 {
    (1e4 * instructions as f64 / units as f64).round() / 1e4
}

/// Whether two compilers, as they name themselves, are of one release: `rustc 1.95.0 (...)` and `rustc 1.95.1 (...)`.
fn same_release(a: &str, b: &str) -> bool {
    let release = |name: &str| name.split(['.', ' ']).take(3).map(str::to_owned).collect::<Vec<_>>();
    release(a) == release(b)
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../host-tools/records/arm-counts.json")
}
