//! The committed record of counts, and how far a count may rise over it

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::kernels::{CPUS, compiler, count_kernels};

/// What a count may rise by under the compiler of the record: an instruction more in a loop of fifty is seen.
const TOLERANCE: f64 = 0.02;
/// What it may rise by under another compiler, which allots registers and unrolls in its own way. Between 1.89 and
/// 1.95 the kernels moved by 9 % at most.
const OTHER_COMPILER_TOLERANCE: f64 = 0.15;

/// What makes the record again.
const RE_RECORD: &str = "cargo run --release -p ternlet-tests --features system --example record_counts";

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

/// Instructions of every kernel: `host-tools/records/arm-counts.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What compiled the kernels, as it names itself.
    pub compiler: String,
    /// Backend by backend, in the order the program runs them.
    pub kernels: Vec<Row>,
}

impl Record {
    /// Builds and counts what the repository holds.
    ///
    /// # Panics
    /// If what `tests/setup.sh` installs is missing, or a program fails.
    #[must_use]
    pub fn count() -> Self {
        let mut kernels = Vec::new();
        for cpu in CPUS {
            for kernel in count_kernels(cpu) {
                let instructions = kernel.execution.instructions();
                kernels.push(Row {
                    backend: cpu.backend.to_owned(),
                    kernel: kernel.name,
                    instructions,
                    units: kernel.units,
                    per_unit: per_unit(instructions, kernel.units),
                });
            }
        }
        Self { compiler: compiler(), kernels }
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
        let mut text =
            format!("{{\n\"compiler\": {},\n\"kernels\": [\n", serde_json::to_string(&self.compiler)?);
        for (i, row) in self.kernels.iter().enumerate() {
            let comma = if i + 1 < self.kernels.len() { "," } else { "" };
            let _ = writeln!(text, "{}{comma}", serde_json::to_string(row)?);
        }
        text.push_str("]\n}\n");
        Ok(text)
    }

    /// What is worse than `committed`, or missing on one side: a line each, empty if all is well.
    #[must_use]
    pub fn worse_than(&self, committed: &Self) -> Vec<String> {
        let tolerance = if same_release(&self.compiler, &committed.compiler) {
            TOLERANCE
        } else {
            OTHER_COMPILER_TOLERANCE
        };
        let (ours, theirs) = (self.by_name(), committed.by_name());
        let mut complaints = Vec::new();
        for (name, row) in &ours {
            match theirs.get(name) {
                None => complaints.push(format!("{name}: counted, and not in the record")),
                Some(recorded) if row.per_unit > recorded.per_unit * (1.0 + tolerance) => {
                    complaints.push(format!(
                        "{name}: expected at most {:.4} instructions (+ {:.0} %), found {:.4} (+ {:.1} %)",
                        recorded.per_unit,
                        100.0 * tolerance,
                        row.per_unit,
                        100.0 * (row.per_unit / recorded.per_unit - 1.0)
                    ));
                }
                Some(_) => {}
            }
        }
        for name in theirs.keys().filter(|name| !ours.contains_key(*name)) {
            complaints.push(format!("{name}: in the record, and not counted"));
        }
        complaints
    }

    fn by_name(&self) -> BTreeMap<String, &Row> {
        self.kernels.iter().map(|row| (format!("{} {}", row.backend, row.kernel), row)).collect()
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
