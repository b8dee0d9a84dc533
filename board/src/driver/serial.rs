//! What every UART can do, and a byte stream over it

use core::convert::Infallible;

/// A polled UART. Methods take `&self`: the device, not the driver, holds the state.
pub trait Uart {
    /// Takes the oldest undamaged received byte, if there is one. Never waits.
    fn read_byte(&self) -> Option<u8>;
    /// Queues one byte; false if there is no room. Never waits.
    fn write_byte(&self, byte: u8) -> bool;
    /// True if everything queued has left the wire.
    fn is_idle(&self) -> bool;
}

/// A [`Uart`] as the byte stream that a session talks to.
///
/// Reading waits for at least one byte, calling `wait` between polls (sleep, yield or spin).
#[derive(Debug)]
pub struct SerialPort<U> {
    uart: U,
    wait: fn(),
    /// A byte that was taken from the UART to see whether there is one: only a byte that has arrived
    /// undamaged counts as ready.
    ahead: Option<u8>,
}

impl<U: Uart> SerialPort<U> {
    /// A stream over `uart`; `wait` is called whenever the stream has to be patient.
    pub fn new(uart: U, wait: fn()) -> Self {
        Self { uart, wait, ahead: None }
    }

    fn take(&mut self) -> Option<u8> {
        self.ahead.take().or_else(|| self.uart.read_byte())
    }
}

impl<U> embedded_io::ErrorType for SerialPort<U> {
    type Error = Infallible;
}

impl<U: Uart> embedded_io::Read for SerialPort<U> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let mut n_read = 0;
        while let Some(slot) = buffer.get_mut(n_read) {
            match self.take() {
                Some(byte) => {
                    *slot = byte;
                    n_read += 1;
                }
                None if n_read > 0 => break,
                None => (self.wait)(),
            }
        }
        Ok(n_read)
    }
}

impl<U: Uart> embedded_io::ReadReady for SerialPort<U> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        self.ahead = self.take();
        Ok(self.ahead.is_some())
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

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;
    use embedded_io::{Read as _, ReadReady as _};
    use std::vec::Vec;

    /// Bytes on the wire, in order; `None` is one that arrived damaged.
    struct Wire(RefCell<Vec<Option<u8>>>);

    impl Uart for Wire {
        fn read_byte(&self) -> Option<u8> {
            let mut wire = self.0.borrow_mut();
            let good = wire.iter().position(Option::is_some)?;
            wire.drain(..=good).next_back().flatten()
        }

        fn write_byte(&self, _: u8) -> bool {
            true
        }

        fn is_idle(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_damaged_byte_is_not_ready_and_never_blocks_a_reader() {
        let wire = Wire(RefCell::new(Vec::from([None, None])));
        let mut port = SerialPort::new(wire, || panic!("waited"));
        assert_eq!(port.read_ready(), Ok(false));
        port.uart.0.borrow_mut().extend([None, Some(b'a'), Some(b'b')]);
        assert_eq!(port.read_ready(), Ok(true));
        assert_eq!(port.read_ready(), Ok(true), "asking twice loses nothing");
        let mut buffer = [0; 4];
        assert_eq!(port.read(&mut buffer), Ok(2));
        assert_eq!(&buffer[..2], b"ab");
        assert_eq!(port.read(&mut []), Ok(0));
    }
}
