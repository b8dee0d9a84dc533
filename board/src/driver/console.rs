//! The console as a global: for messages before, outside and after a session
//!
//! Start-up, faults and panics print through [`say!`]; a session gets the port itself.

use core::cell::Cell;
use core::fmt;

use critical_section::Mutex;

use super::{Port, Uart};

static CONSOLE: Mutex<Cell<Option<Port>>> = Mutex::new(Cell::new(None));

/// Makes `port` the console.
pub(crate) fn install(port: Port) {
    critical_section::with(|cs| CONSOLE.borrow(cs).set(Some(port)));
}

/// The console, if there is one.
pub(crate) fn console() -> Option<Port> {
    critical_section::with(|cs| CONSOLE.borrow(cs).get())
}

/// Text for a terminal: a line feed becomes carriage return and line feed.
#[derive(Debug)]
pub(crate) struct Printer;

impl fmt::Write for Printer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let port = console().ok_or(fmt::Error)?;
        for byte in text.bytes() {
            if byte == b'\n' {
                send(port, b'\r');
            }
            send(port, byte);
        }
        Ok(())
    }
}

fn send(port: Port, byte: u8) {
    while !port.write_byte(byte) {
        core::hint::spin_loop();
    }
}

/// Prints on the console; without one, nothing happens.
macro_rules! say {
    ($($argument:tt)*) => {{
        use core::fmt::Write as _;
        // The only error is that no console exists: nobody could be told.
        let _ = write!($crate::driver::Printer, $($argument)*);
    }};
}
pub(crate) use say;
