//! The session on the UART

use ternlet_runtime::{Console, ConsoleError, Session};

use crate::arch;
use crate::conversation::console_options;
use crate::driver::{self, Port, SerialPort, say};

/// The runtime's console on this board's stream.
pub(super) struct BoardConsole {
    console: Console<'static>,
    stream: SerialPort<Port>,
}

impl BoardConsole {
    /// Puts the prompt of `session` on the console; `None` where the board has none.
    pub(super) fn new(session: Session<'static>) -> Result<Option<Self>, ConsoleError> {
        let Some(port) = driver::console() else { return Ok(None) };
        let options = console_options(session.model().config(), true);
        let console = Console::new(session, options)?;
        Ok(Some(Self { console, stream: SerialPort::new(port, arch::wait_for_event) }))
    }

    /// Serves people until they type `/quit`.
    pub(super) fn run(&mut self) {
        // A UART has no end and no errors: only `/quit` comes back.
        let Ok(_) = self.console.run(&mut self.stream, &arch::uptime_ns);
        say!("the session is closed; /session opens it again\n");
    }
}
