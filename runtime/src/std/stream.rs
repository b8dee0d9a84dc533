//! Streams of the standard library as `embedded-io` streams

use std::io;

use embedded_io::{ErrorType, Read, Write};

/// A reader or writer of the standard library; buffer it where small pieces are costly.
#[derive(Debug)]
pub struct StdStream<T>(pub T);

impl<T> ErrorType for StdStream<T> {
    type Error = io::Error;
}

impl<T: io::Read> Read for StdStream<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<T: io::Write> Write for StdStream<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
