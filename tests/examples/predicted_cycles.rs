//! Prints the cycles that LLVM's models of Arm cores predict for each kernel's inner loops, and records them.
//!
//! `cargo run --release -p ternlet-tests --features system --example predicted_cycles`
//!
//! Needs llvm-mca under a name of Debian's, `llvm-mca-19` for one (`apt-get install llvm-19`), and takes every release
//! it finds. LLVM has a model of Neoverse N1 of its own from 17 on; before, it used Cortex-A57's.
#![expect(clippy::print_stdout, reason = "the table is the program's result")]

use core::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use ternlet_tests::counts::{CPUS, Mca, compiler, count_kernels, predict, program};
use ternlet_tests::disassembly::{disassemble, instructions};

fn main() -> ExitCode {
    let releases = Mca::installed();
    if releases.is_empty() {
        eprintln!("predicted_cycles: expected llvm-mca-N, found none: apt-get install llvm-19");
        return ExitCode::FAILURE;
    }
    let text = disassemble(program());
    let code = instructions(&text);
    let mut table = format!(
        "PREDICTED cycles of each kernel's innermost loops for 1000 units, loads in the first-level cache;\n\
         \"outside\": instructions for 1000 units that no innermost loop holds, for which nothing is predicted.\n\n\
         compiler    {}\nllvm-mca    {}\n\n{:8} {:44}",
        compiler(),
        releases.iter().map(|mca| mca.version.as_str()).collect::<Vec<_>>().join(", "),
        "backend",
        "kernel",
    );
    for cpu in CPUS {
        let kernels = count_kernels(cpu);
        let mut columns = Vec::new();
        let _ = write!(table, "\n{:53}", "");
        for model in cpu.models {
            for mca in &releases {
                let name = format!("{model} {}", mca.version.replace("LLVM ", ""));
                let _ = write!(table, " {name:>20}");
                columns.push(predict(mca, model, &code, &kernels));
            }
        }
        let _ = writeln!(table, " {:>8}", "outside");
        for (i, kernel) in kernels.iter().enumerate() {
            let _ = write!(table, "{:8} {:44}", cpu.backend, kernel.name);
            for column in &columns {
                let _ = write!(table, " {:20.1}", column[i].loop_cycles_per_1000);
            }
            let _ = writeln!(table, " {:8.1}", columns[0][i].outside_per_1000);
        }
    }
    println!("{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tools/records/predicted-cycles.txt");
    if let Err(error) = std::fs::write(&path, table) {
        eprintln!("{}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
