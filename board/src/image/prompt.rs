//! The board's own small prompt: what is left to say when there is no model

use embedded_io::{Read as _, Write as _};

use ternlet_runtime::Session;

use super::selftest;
use crate::arch;
use crate::driver::{self, SerialPort, say};

/// Longest command.
const MAX_LINE_BYTES: usize = 80;

const HELP: &str = "/help      this list\n/selftest  compare this board's bits with the packer's\n/heap      use of the heap\n/reset     restart the machine\n\
                    /poweroff  power the machine off\n";

/// Reads commands for ever. Without a console there is nobody to ask: it parks.
pub(super) fn run(mut session: Option<Session<'static>>) -> ! {
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
                execute(line.trim_ascii(), session.as_mut());
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

fn execute(line: &[u8], session: Option<&mut Session<'static>>) {
    match line {
        b"" => {}
        b"/help" => say!("{HELP}"),
        b"/heap" => say_heap_use(),
        b"/selftest" => match session {
            Some(session) => selftest::run(session),
            None => say!("no model, so no self-test\n"),
        },
        b"/reset" => arch::reset(),
        b"/poweroff" => power_off(),
        _ => say!("no model, so no answers; type /help\n"),
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
