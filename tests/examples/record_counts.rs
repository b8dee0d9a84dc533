//! Writes the record of counts that a test compares with: `host-tools/records/arm-counts.json`.
//!
//! `cargo run --release -p ternlet-tests --features system --example record_counts`
#![expect(clippy::print_stdout, reason = "the table is the program's result")]

use std::process::ExitCode;

use ternlet_tests::counts::Record;

fn main() -> ExitCode {
    let record = Record::count();
    for row in &record.kernels {
        println!("{:8} {:44} {:8.4}", row.backend, row.kernel, row.per_unit);
    }
    if let Err(error) = record.commit() {
        eprintln!("record_counts: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
