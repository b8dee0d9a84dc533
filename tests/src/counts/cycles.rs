//! Cycles that LLVM's models of cores predict for the loops that a kernel spends its time in
//!
//! The innermost loops of a kernel are found in its disassembly, how often each runs in its execution, and llvm-mca
//! says what one round takes once the loop is warm, with all loads in the first-level cache. So the prediction knows
//! latencies, ports and dependencies, and neither memory nor mispredicted branches. What is executed outside innermost
//! loops has no prediction: it is counted beside it.

use std::io::Write;
use std::process::{Command, Stdio};

use super::execution::Execution;
use super::kernels::KernelCount;
use crate::disassembly::{Instruction, loops};

/// Rounds of a loop that llvm-mca looks at: so many that filling the pipeline does not show.
const ROUNDS: u32 = 500;

/// A release of llvm-mca.
#[derive(Debug, Clone)]
pub struct Mca {
    program: String,
    /// As it names itself: `LLVM 19.1.7`.
    pub version: String,
}

impl Mca {
    /// Every release on this machine from LLVM 14 on, oldest first, by Debian's names of them.
    #[must_use]
    pub fn installed() -> Vec<Self> {
        (14..40).filter_map(|n| Self::named(&format!("llvm-mca-{n}"))).collect()
    }

    fn named(program: &str) -> Option<Self> {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_once("LLVM version ")?.1.lines().next()?.trim();
        Some(Self { program: program.to_owned(), version: format!("LLVM {version}") })
    }

    /// Cycles that a round of each of `bodies` takes on the core `cpu`.
    ///
    /// # Panics
    /// If llvm-mca fails or refuses an instruction.
    fn cycles(&self, cpu: &str, bodies: &[&[Instruction<'_>]]) -> Vec<f64> {
        let mut assembly = String::new();
        for (i, body) in bodies.iter().enumerate() {
            assembly.push_str(&format!("# LLVM-MCA-BEGIN {i}\n"));
            for instruction in *body {
                assembly.push_str(&format!("{}\n", assembler(instruction)));
            }
            assembly.push_str("# LLVM-MCA-END\n");
        }
        let mut mca = Command::new(&self.program)
            .args(["-mtriple=aarch64", &format!("-mcpu={cpu}"), &format!("-iterations={ROUNDS}")])
            .args(["-all-views=false", "-summary-view"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.program));
        mca.stdin.take().expect("piped").write_all(assembly.as_bytes()).expect("llvm-mca reads its input");
        let output = mca.wait_with_output().expect("it was started");
        assert!(output.status.success(), "{}: {}", self.program, String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let totals = text.lines().filter_map(|line| line.strip_prefix("Total Cycles:"));
        let cycles: Vec<f64> =
            totals.map(|total| total.trim().parse::<f64>().expect("a number") / f64::from(ROUNDS)).collect();
        assert_eq!(cycles.len(), bodies.len(), "{}: a total for every loop", self.program);
        cycles
    }
}

/// The line of an instruction without what only a linked program has: comments, and the addresses of symbols.
fn assembler(instruction: &Instruction<'_>) -> String {
    let operands = instruction.operands.split("//").next().unwrap_or_default().trim();
    let operands = match operands.split_once(" <") {
        None => operands.to_owned(),
        Some((before, _)) => match before.rsplit_once(", ") {
            None => "#0".to_owned(),
            Some((registers, _)) => format!("{registers}, #0"),
        },
    };
    format!("{} {operands}", instruction.name)
}

/// Whether the time of a loop is that of its instructions: one that calls a function spends it there.
fn is_innermost(body: &[Instruction<'_>]) -> bool {
    !body.iter().any(|instruction| matches!(instruction.name, "bl" | "blr"))
}

/// What is predicted of one kernel on one core.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Cycles of its innermost loops, for 1000 units.
    pub loop_cycles_per_1000: f64,
    /// Instructions that it executes outside of them, for 1000 units.
    pub outside_per_1000: f64,
}

/// Predictions for `kernels`, executed by a program of this `code`, on the core `cpu`.
///
/// # Panics
/// If llvm-mca fails, or a kernel has no loop.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn predict(mca: &Mca, cpu: &str, code: &[Instruction<'_>], kernels: &[KernelCount]) -> Vec<Prediction> {
    let bodies: Vec<_> = loops(code);
    // A loop's rounds are the executions of the branch that closes it.
    let rounds =
        |execution: &Execution, body: &[Instruction<'_>]| execution.executed(body[body.len() - 1].address);
    let used: Vec<_> = bodies
        .into_iter()
        .filter(|body| is_innermost(body))
        .filter(|body| kernels.iter().any(|kernel| rounds(&kernel.execution, body) > 0))
        .collect();
    let cycles = mca.cycles(cpu, &used);
    let predictions = kernels.iter().map(|kernel| {
        let (mut loop_cycles, mut inside) = (0.0, 0);
        for (body, cycles) in used.iter().zip(&cycles) {
            loop_cycles += rounds(&kernel.execution, body) as f64 * cycles;
            inside += body.iter().map(|at| kernel.execution.executed(at.address)).sum::<u64>();
        }
        assert!(inside > 0, "{}: a kernel without a loop", kernel.name);
        let outside = kernel.execution.instructions() - inside;
        let per_1000 = |n: f64| 1e3 * n / kernel.units as f64;
        Prediction { loop_cycles_per_1000: per_1000(loop_cycles), outside_per_1000: per_1000(outside as f64) }
    });
    predictions.collect()
}
