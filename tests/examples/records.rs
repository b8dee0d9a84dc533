//! Makes the records of what cannot be timed without a board: `host-tools/records/README.md` says what they are.
//!
//! `cargo run --release -p ternlet-tests --features system --example records`
//!
//! Counts every Arm kernel under emulation, and writes and prints `arm-counts.json` (what a test compares with),
//! `predicted-cycles.txt` and `pi5-prediction.txt`. The last two need llvm-mca under a name of Debian's, `llvm-mca-19`
//! for one (`apt-get install llvm-19`).
#![expect(clippy::print_stdout, reason = "the tables are the program's result")]

use core::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use ternlet::pack::synth::shape_2b4t;
use ternlet_tests::counts::pi5::{CycleTable, report};
use ternlet_tests::counts::{CPUS, Cpu, KernelCount, Mca, Prediction, Record, compiler};
use ternlet_tests::counts::{count_kernels, predict, program};
use ternlet_tests::disassembly::{disassemble, instructions};

fn main() -> ExitCode {
    match record() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("records: {error}");
            ExitCode::FAILURE
        }
    }
}

fn record() -> io::Result<ExitCode> {
    let counts = CPUS.map(|cpu| (cpu, count_kernels(cpu)));
    let record = Record::of(&counts);
    for row in &record.kernels {
        println!("{:8} {:44} {:8.4}", row.backend, row.kernel, row.per_unit);
    }
    record.commit()?;

    let releases = Mca::installed();
    let Some(newest) = releases.last() else {
        eprintln!("records: no predictions: expected llvm-mca-N, found none: apt-get install llvm-19");
        return Ok(ExitCode::FAILURE);
    };
    let text = disassemble(program());
    let code = instructions(&text);
    let predicted = counts.map(|(cpu, kernels)| {
        let columns = cpu.models.iter().flat_map(|model| releases.iter().map(move |mca| (*model, mca)));
        let predictions = columns.map(|(model, mca)| Column {
            title: format!("{model} {}", mca.version.replace("LLVM ", "")),
            is_newest: mca.version == newest.version,
            predictions: predict(mca, model, &code, &kernels),
        });
        let predictions: Vec<_> = predictions.collect();
        (cpu, kernels, predictions)
    });
    write("predicted-cycles.txt", &cycle_table(&predicted, &releases))?;

    let board = predicted.iter().find(|(cpu, ..)| cpu.name == "cortex-a76").expect("one of the cores");
    let (cpu, kernels, columns) = board;
    let column = columns.iter().find(|column| column.is_newest).expect("one of the releases");
    let table = CycleTable::new(kernels, &column.predictions);
    let made_with = format!("{}, {} of {}", compiler(), cpu.models[0], newest.version);
    write("pi5-prediction.txt", &report(&shape_2b4t(), &table, &made_with))?;
    Ok(ExitCode::SUCCESS)
}

/// One model of a core in one release of LLVM.
struct Column {
    title: String,
    is_newest: bool,
    predictions: Vec<Prediction>,
}

fn cycle_table(predicted: &[(Cpu, Vec<KernelCount>, Vec<Column>)], releases: &[Mca]) -> String {
    let releases: Vec<_> = releases.iter().map(|mca| mca.version.as_str()).collect();
    let mut table = format!(
        "PREDICTED cycles of each kernel's innermost loops for 1000 units, loads in the first-level cache;\n\
         \"outside\": instructions for 1000 units that no innermost loop holds, for which nothing is predicted.\n\n\
         compiler    {}\nllvm-mca    {}\n",
        compiler(),
        releases.join(", "),
    );
    for (cpu, kernels, columns) in predicted {
        let _ = write!(table, "\n{:53}", "");
        for column in columns {
            let _ = write!(table, " {:>20}", column.title);
        }
        let _ = writeln!(table, " {:>8}", "outside");
        for (i, kernel) in kernels.iter().enumerate() {
            let _ = write!(table, "{:8} {:44}", cpu.backend, kernel.name);
            for column in columns {
                let _ = write!(table, " {:20.1}", column.predictions[i].loop_cycles_per_1000);
            }
            let _ = writeln!(table, " {:8.1}", columns[0].predictions[i].outside_per_1000);
        }
    }
    table
}

/// Prints a record and puts it where records are.
fn write(name: &str, text: &str) -> io::Result<()> {
    println!("\n== {name}\n\n{text}");
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tools/records").join(name), text)
}
