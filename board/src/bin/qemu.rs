//! `cargo qemu`: builds the bare-metal image and boots it in QEMU with a model

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ternlet_board::{EntryLevel, Machine, build_image, shipped_model};

/// Builds the bare-metal image and boots it on QEMU's virt machine: a prompt without an operating
/// system. Ctrl-A X leaves QEMU.
#[derive(Parser)]
#[command(name = "cargo qemu", version)]
struct Options {
    /// Packed model to boot with [default: the one that ships with the repository]
    #[arg(long)]
    model: Option<PathBuf>,
    /// Boot without a model
    #[arg(long, conflicts_with = "model")]
    no_model: bool,
    /// Core, as QEMU names it
    #[arg(long, default_value = "cortex-a76")]
    cpu: String,
    /// Number of cores
    #[arg(long, default_value_t = 1)]
    cores: u32,
    /// Exception level of the loader: 1 or 2 (as real boards do)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    level: u8,
    /// RAM in MiB [default: enough for the model]
    #[arg(long)]
    memory_mib: Option<u64>,
    /// Kernel command line, for example "ternlet.selftest=1 ternlet.exit=psci"
    #[arg(long, default_value = "")]
    append: String,
    /// Further arguments for QEMU, after `--`
    #[arg(last = true)]
    qemu: Vec<String>,
    /// Only build; print the path of the flat image
    #[arg(long)]
    build_only: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("ternlet-qemu: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, String> {
    let image = build_image().map_err(|error| error.to_string())?;
    if options.build_only {
        writeln!(io::stdout(), "{}", image.display()).map_err(|error| format!("stdout: {error}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let model =
        if options.no_model { None } else { Some(options.model.clone().unwrap_or_else(shipped_model)) };
    if let Some(model) = model.as_ref().filter(|model| !model.is_file()) {
        return Err(format!("{}: expected a packed model, found no file", model.display()));
    }
    let machine = Machine {
        cpu: options.cpu.clone(),
        n_cores: options.cores,
        level: if options.level == 2 { EntryLevel::El2 } else { EntryLevel::El1 },
        memory_mib: options.memory_mib,
        model,
        boot_args: options.append.clone(),
        extra: options.qemu.clone(),
    };
    eprintln!("ternlet-qemu: Ctrl-A X leaves QEMU");
    let status = machine.command(&image).status().map_err(|error| {
        format!("cannot start qemu-system-aarch64: {error}\n  on Debian and Ubuntu: apt-get install qemu-system-arm")
    })?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
