//! The board's own small prompt: what is left when there is no session, or when it was left

use embedded_io::{Read as _, Write as _};
use ternlet_runtime::Session;

use super::console::BoardConsole;
use super::selftest;
use crate::arch;
use crate::driver::{self, SerialPort, say};

/// Longest command.
const MAX_LINE_BYTES: usize = 80;

const HELP: &str = "/help      this list\n/session   open the session\n/selftest  compare this board's bits with the packer's\n\
                    /heap      use of the heap\n/reset     restart the machine\n/poweroff  power the machine off\n";

/// What the board has to offer.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one value, on the stack of a program that never ends"
)]
pub(super) enum Offer {
    /// No model.
    Nothing,
    /// A model without a tokenizer: it computes, and cannot talk.
    Ids(Session<'static>),
    /// A session with a prompt.
    Console(BoardConsole),
}

/// Reads commands for ever. Without a console there is nobody to ask: it parks.
pub(super) fn run(mut offer: Offer) -> ! {
    let Some(port) = driver::console() else { arch::after_fault() };
    let mut stream = SerialPort::new(port, arch::wait_for_event);
    let mut line = heapless::Vec::<u8, MAX_LINE_BYTES>::new();
    say!("type /help\nboard> ");
    loop {
        let mut byte = [0];
        let Ok(_) = stream.read(&mut byte);
        match byte[0] {
            b'\r' | b'\n' => {
                say!("\n");
                execute(line.trim_ascii(), &mut offer);
                line.clear();
                say!("board> ");
            }
            // Backspace, as terminals send it.
            0x08 | 0x7f if line.pop().is_some() => say!("\x08 \x08"),
            // A longer line stops growing, and so does its echo.
            0x20..=0x7e if line.push(byte[0]).is_ok() => {
                let Ok(()) = stream.write_all(&byte);
            }
            _ => {}
        }
    }
}

fn execute(line: &[u8], offer: &mut Offer) {
    match (line, offer) {
        (b"", _) => {}
        (b"/help", _) => say!("{HELP}"),
        (b"/session", Offer::Console(console)) => console.run(),
        (b"/session", Offer::Ids(_)) => say!("no session: the model file has no tokenizer\n"),
        (b"/selftest", Offer::Ids(session)) => selftest::run(session),
        (b"/selftest", Offer::Console(_)) => say!("open the session, then /selftest there\n"),
        (b"/heap", _) => say_heap_use(),
        (b"/reset", _) => arch::reset(),
        (b"/poweroff", _) => power_off(),
        (_, Offer::Nothing) => say!("no model, so no answers; type /help\n"),
        _ => say!("type /help\n"),
    }
}

/// One allocation holds the session: a second call of the allocator would show here, if the sealed
/// heap had let it pass.
fn say_heap_use() {
    let (used_bytes, n_calls) = arch::heap_use();
    say!("{used_bytes} bytes of heap in use after {n_calls} calls\n");
}

/// Says good-bye and powers off.
pub(super) fn power_off() -> ! {
    say_heap_use();
    say!("power off\n");
    if let Some(port) = driver::console() {
        let Ok(()) = SerialPort::new(port, arch::wait_for_event).flush();
    }
    arch::power_off()
}
