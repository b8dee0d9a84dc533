//! `ternlet-serial`: the session of a board that runs Linux, on its terminal or a serial device

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::{self, available_parallelism};
use std::time::Instant;

use clap::Parser;
use ternlet_board::console_options;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    ARENA_ALIGN, Console, LoadError, MemoryPlan, Model, ModelFile, PlanOptions, SaveFolder, Session,
    Terminal, ThreadPool,
};

/// Opens a prompt on a packed model: on standard input and output, or on a serial device.
///
/// Ctrl-C stops an answer, /help lists the commands, /quit or the end of input ends the program.
#[derive(Debug, Parser)]
#[command(name = "ternlet-serial", version)]
struct Options {
    /// Packed model
    model: PathBuf,
    /// Serial device, for example /dev/serial0 [default: standard input and output]
    #[arg(long, value_name = "DEVICE")]
    tty: Option<PathBuf>,
    /// Bits per second of the serial device
    #[arg(long, default_value_t = 115_200, requires = "tty")]
    baud: u32,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Positions in the KV cache [default: 4096, or the model's own maximum if that is less]
    #[arg(long, value_name = "N")]
    ctx: Option<u32>,
    /// Folder where /save keeps conversations and /restore finds them
    #[arg(long, value_name = "FOLDER")]
    saves: Option<PathBuf>,
    /// Skip the checksums of the weights
    #[arg(long)]
    trust: bool,
}

/// Positions where nobody asked for a number: enough to talk, small enough for a 1 GB board.
const DEFAULT_CONTEXT: u32 = 4096;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("ternlet-serial: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let name = options.model.display();
    let file = ModelFile::open(&options.model).map_err(|error| format!("{name}: {error}"))?;
    let model = Model::parse(file.bytes())
        .map_err(|error| format!("{name}: {error}\n  pack it again with: ternlet pack SOURCE -o FILE"))?;
    let n_threads = options.threads.unwrap_or_else(n_cores);
    if !options.trust {
        verify(&model, n_threads).map_err(|error| {
            format!("{name}: {error}\n  copy or pack the file again; --trust runs it as it is")
        })?;
    }
    let context = options.ctx.unwrap_or_else(|| model.config().max_seq_len.min(DEFAULT_CONTEXT));
    let max_top_k = model.usual_top_k();
    let plan_options = PlanOptions { context, max_top_k, n_workers: n_threads, ..PlanOptions::default() };
    let plan = MemoryPlan::new(model.config(), &plan_options)
        .map_err(|error| format!("{name}: {error}\n  choose another --ctx"))?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(plan.bytes() + ARENA_ALIGN).map_err(|_| {
        format!(
            "memory: expected {} free bytes, the system refused them\n  choose a smaller --ctx",
            plan.bytes()
        )
    })?;
    memory.resize(plan.bytes() + ARENA_ALIGN, 0);
    let offset = memory.as_ptr().align_offset(ARENA_ALIGN);
    let arena = &mut memory[offset..offset + plan.bytes()];
    let pool = ThreadPool::new(n_threads as usize).map_err(|error| format!("threads: {error}"))?;
    let kernels = Kernels::best(CpuFeatures::detect());
    let session =
        Session::new(model, kernels, &pool, &plan, arena).map_err(|error| format!("{name}: {error}"))?;
    serve(session, options)
}

/// Checks every chunk of the weights, on `n_threads`.
fn verify(model: &Model<'_>, n_threads: u32) -> Result<(), LoadError> {
    let check = |first: u32| {
        let mut mine = (u64::from(first)..model.n_chunks()).step_by(n_threads as usize);
        mine.try_for_each(|index| model.verify_chunk(index))
    };
    let check = &check;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|first| scope.spawn(move || check(first))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("verify_chunk does not panic"))
    })
}

/// Opens the stream and serves it until its end; the terminal's mode is restored when it is dropped.
fn serve(session: Session<'_>, options: &Options) -> Result<(), String> {
    let stream = options.tty.as_deref().unwrap_or(Path::new("terminal")).display();
    let opened = match &options.tty {
        Some(path) => Terminal::serial(path, options.baud),
        None => Terminal::stdio(),
    };
    let mut terminal = opened.map_err(|error| format!("{stream}: {error}"))?;
    let console_options = console_options(session.model().config(), terminal.is_interactive());
    let mut console = Console::new(session, console_options)
        .map_err(|error| format!("{}: {error}", options.model.display()))?;
    let open = |path: &PathBuf| {
        SaveFolder::open(path.clone())
            .map_err(|error| format!("{}: {error}\n  name another folder with --saves", path.display()))
    };
    let mut saves = options.saves.as_ref().map(open).transpose()?;
    if let Some(saves) = &mut saves {
        console.set_storage(saves);
    }
    let start = Instant::now();
    let clock = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    console.run(&mut terminal, &clock).map_err(|error| format!("{stream}: {error}"))?;
    Ok(())
}

fn n_cores() -> u32 {
    available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}
