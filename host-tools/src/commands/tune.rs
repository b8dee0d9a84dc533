//! `ternlet tune`: which layouts this machine reads fastest, for the matrices of one model

use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::Args;
use ternlet::tune::{Choice, Tuning, tune};
use ternlet_kernels::Backend;
use ternlet_runtime::{SkipLimits, ThreadPool};

use crate::error::Error;
use crate::open::{display_name, kernels_of, parse_backend, with_model};
use crate::output::{note, out};

/// Flags of `tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// Packed model, in any layouts [default: the shipped one]
    file: Option<PathBuf>,
    /// Kernels to use [default: the fastest this CPU has]
    #[arg(long, value_name = "NAME", value_parser = parse_backend)]
    backend: Option<Backend>,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Rounds; of each layout the fastest counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// Runs the command: the profile goes to stdout, what was measured to stderr, with the limits that `--skip` of other commands takes.
pub(crate) fn run(args: &TuneArgs) -> Result<(), Error> {
    let tuned = with_model(args.file.as_deref(), |model| {
        let kernels = kernels_of(args.backend)?;
        let n_threads =
            args.threads.map_or_else(|| available_parallelism().map_or(1, usize::from), |n| n as usize);
        let pool = ThreadPool::new(n_threads).map_err(|e| {
            Error::new("threads", format!("expected {n_threads}, the system refused one: {e}"))
                .hint("choose fewer with --threads")
        })?;
        let Tuning { profile, limits, choices } = tune(&model, kernels, &pool, args.rounds)
            .map_err(|e| Error::new(display_name(args.file.as_deref()), e))?;
        for Choice { matrix, measured } in choices {
            let times: Vec<String> = measured.iter().map(|(form, us)| format!("{form} {us:.1}")).collect();
            note(format_args!("{matrix:<36} us: {}", times.join(", ")));
        }
        if let Some(SkipLimits { rows_percent, columns_percent }) = limits {
            note(format_args!("these limits for --skip: {rows_percent},{columns_percent}"));
        }
        out(format_args!("{}\n", profile.to_json()))
    });
    tuned.map_err(|e| e.during("tune"))
}
