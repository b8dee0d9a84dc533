//! What every UART can do, and a byte stream over it

use core::convert::Infallible;

/// A polled UART. Methods take `&self`: the device, not the driver, holds the state.
pub trait Uart {
    /// Takes the oldest undamaged received byte, if there is one. Never waits.
    fn read_byte(&self) -> Option<u8>;
    /// True if a received byte waits.
    fn is_readable(&self) -> bool;
    /// Queues one byte; false if there is no room. Never waits.
    fn write_byte(&self, byte: u8) -> bool;
    /// True if everything queued has left the wire.
    fn is_idle(&self) -> bool;
}

/// A [`Uart`] as the byte stream that a session talks to.
///
/// Reading waits for at least one byte, calling `wait` between polls (sleep, yield or spin).
#[derive(Debug, Clone, Copy)]
pub struct SerialPort<U> {
    uart: U,
    wait: fn(),
}

impl<U: Uart> SerialPort<U> {
    /// A stream over `uart`; `wait` is called whenever the stream has to be patient.
    pub fn new(uart: U, wait: fn()) -> Self {
        Self { uart, wait }
    }
}

impl<U> embedded_io::ErrorType for SerialPort<U> {
    type Error = Infallible;
}

impl<U: Uart> embedded_io::Read for SerialPort<U> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // Bytes damaged on the wire are dropped by the driver, so "readable" may yield nothing.
        let mut n_read = 0;
        while n_read == 0 {
            while !self.uart.is_readable() {
                (self.wait)();
            }
            while let Some(slot) = buffer.get_mut(n_read)
                && let Some(byte) = self.uart.read_byte()
            {
                *slot = byte;
                n_read += 1;
            }
        }
        Ok(n_read)
    }
}

impl<U: Uart> embedded_io::ReadReady for SerialPort<U> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.uart.is_readable())
    }
}

impl<U: Uart> embedded_io::Write for SerialPort<U> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            while !self.uart.write_byte(byte) {
                core::hint::spin_loop();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while !self.uart.is_idle() {
            core::hint::spin_loop();
        }
        Ok(())
    }
}
