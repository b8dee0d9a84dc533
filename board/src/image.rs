//! The bare-metal program, from the device tree to the prompt
//!
//! Order: the tree names console and memory; the loader's file is put where the kernels can read
//! it; the rest of the RAM becomes the heap; the prompt opens and stays.

mod console;
mod model;
mod prompt;
mod selftest;
mod session;

use ternlet_runtime::Session;

use self::console::BoardConsole;
use self::prompt::Offer;
use crate::arch::{self, Memory};
use crate::boot_args::BootArgs;
use crate::bsp::Board;
use crate::device_tree::DeviceTree;
use crate::driver::{self, say};

const MIB: u64 = 1 << 20;

/// Runs the board. Entered once, by the start-up code; `level` is the loader's exception level.
pub(crate) fn main(mut memory: Memory, tree: &'static [u8], level: u64) -> ! {
    // Without a tree there is no console to complain on.
    let Ok(tree) = DeviceTree::parse(tree) else { arch::after_fault() };
    let board = Board::discover(tree);
    let args = BootArgs::parse(board.boot_args);
    arch::configure_power(board.psci, args.on_fault);
    memory.adopt(&board.ram, &board.free);
    if let Some((kind, region)) = board.console
        && let Some(registers) = memory.device(region, kind.window_bytes())
    {
        driver::install(kind.open(registers));
    }
    arch::report_system_errors();
    arch::start_event_stream();
    banner(&board, &memory, level);
    if let Some(word) = args.unknown {
        say!("boot argument {word} means nothing here\n");
    }

    let model = model::from_initrd(board.initrd, &mut memory);
    if let Some(rest) = memory.free().largest().and_then(|range| memory.take(range)) {
        arch::add_heap(rest);
    }
    let mut session = match model {
        Ok(file) => session::open(file, args.context).map_err(|error| say!("\n{error}\n")).ok(),
        Err(error) => {
            say!("\n{error}\n");
            None
        }
    };
    arch::seal_heap();
    say!("ready   {} ms after power-on\n", arch::uptime_ns() / 1_000_000);
    if args.runs_selftest {
        match &mut session {
            Some(session) => selftest::run(session),
            None => say!("selftest: FAIL no model\n"),
        }
    }
    if let Some(kind) = args.drill {
        arch::drill(kind);
    }
    if args.exits {
        prompt::power_off();
    }
    prompt::run(offer(session))
}

/// Opens the prompt of the session, if it has one, until the user closes it.
fn offer(session: Option<Session<'static>>) -> Offer {
    let Some(session) = session else { return Offer::Nothing };
    if session.model().tokenizer().is_none() {
        say!("no prompt: the model file has no tokenizer\n");
        return Offer::Ids(session);
    }
    match BoardConsole::new(session) {
        Ok(Some(mut console)) => {
            console.run();
            Offer::Console(console)
        }
        Ok(None) => Offer::Nothing,
        Err(error) => {
            say!("no prompt: {error}\n");
            Offer::Nothing
        }
    }
}

fn banner(board: &Board<'_>, memory: &Memory, level: u64) {
    say!("\nternlet {} on {}\n", env!("CARGO_PKG_VERSION"), board.name);
    say!(
        "core    {} x {}, entered at EL{level}, {}-bit addresses, {}\n",
        board.n_cores,
        arch::CoreName::of_this_core(),
        arch::physical_bits(),
        if arch::kernel_features().has_dotprod() { "neon dotprod" } else { "neon" }
    );
    say!(
        "memory  {} MiB, {} MiB free\n",
        memory.ram().total_bytes() / MIB,
        memory.free().total_bytes() / MIB
    );
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say!("\n{info}\n");
    arch::after_fault()
}
