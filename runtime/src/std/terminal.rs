//! Terminals, pipes and serial devices as one byte stream
//!
//! Unbuffered reads, so that what has not been asked for stays with the system, and raw mode where
//! there is a terminal, so that the console's line editor sees every key. Raw mode ends when the
//! stream is dropped.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::{Errno, retry_on_intr};
use rustix::termios::{ControlModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// Standard input and output, or a serial device.
#[derive(Debug)]
pub struct Terminal {
    input: OwnedFd,
    output: OwnedFd,
    /// What the terminal was like before raw mode.
    saved: Option<Termios>,
}

impl Terminal {
    /// Standard input and output; raw mode if both are a terminal.
    ///
    /// # Errors
    /// If a stream cannot be duplicated or the terminal cannot be configured.
    pub fn stdio() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        let mut terminal = Self { input, output, saved: None };
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            terminal.make_raw(None)?;
        }
        Ok(terminal)
    }

    /// The serial device at `path` in raw mode, 8 data bits, no parity, at `baud` bits per second.
    ///
    /// # Errors
    /// If the device cannot be opened, is no terminal, or refuses the speed.
    pub fn serial(path: &Path, baud: u32) -> io::Result<Self> {
        // Not our controlling terminal, whose hang-up would end the program; and no waiting here for
        // a carrier that a three-wire line never signals.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let device = open(path, flags | OFlags::NONBLOCK, Mode::empty())?;
        if !isatty(&device) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a serial device or terminal"));
        }
        let mut terminal = Self { input: device.try_clone()?, output: device, saved: None };
        terminal.make_raw(Some(baud))?;
        // From here on reads wait; both descriptors share these flags.
        fcntl_setfl(&terminal.input, flags)?;
        Ok(terminal)
    }

    /// Whether a person sits at the other end: the stream is a terminal in raw mode.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.saved.is_some()
    }

    fn make_raw(&mut self, baud: Option<u32>) -> io::Result<()> {
        let saved = tcgetattr(&self.input)?;
        let mut raw = saved.clone();
        raw.make_raw();
        if let Some(baud) = baud {
            raw.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
            raw.set_speed(baud)?;
        }
        tcsetattr(&self.input, OptionalActions::Now, &raw)?;
        self.saved = Some(saved);
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // Best effort: a terminal that is gone needs no restoring.
            tcsetattr(&self.input, OptionalActions::Now, saved).ok();
        }
    }
}

impl ErrorType for Terminal {
    type Error = io::Error;
}

impl Read for Terminal {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match retry_on_intr(|| rustix::io::read(&self.input, &mut *buf)) {
            // A terminal whose other end has hung up reports EIO: the input has ended.
            Err(Errno::IO) => Ok(0),
            outcome => Ok(outcome?),
        }
    }
}

impl ReadReady for Terminal {
    fn read_ready(&mut self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.input, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let n_ready = retry_on_intr(|| poll(&mut fds, Some(&now)))?;
        Ok(n_ready > 0)
    }
}

impl Write for Terminal {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::write(&self.output, buf))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
