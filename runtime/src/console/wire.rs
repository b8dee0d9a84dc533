//! The console's byte stream: input kept while the model computes, text with the right newlines

use embedded_io::{Read, ReadReady, Write};

/// Ctrl-C.
pub(crate) const INTERRUPT: u8 = 0x03;

/// Bytes typed while the model computes that are kept for the next line.
const TYPE_AHEAD: usize = 256;

/// One stream for everything, or answers on one and notices on another.
#[derive(Debug)]
pub(crate) struct Wire<'i, IO, N> {
    io: &'i mut IO,
    notices: Option<&'i mut N>,
    /// Bytes already read, oldest first.
    ahead: heapless::Deque<u8, TYPE_AHEAD>,
    newline: &'static str,
    /// Whether control characters in answers are left out: a terminal must not obey the model.
    filters_controls: bool,
}

impl<'i, IO, N> Wire<'i, IO, N>
where
    IO: Read + ReadReady + Write,
    N: Write,
{
    pub(crate) fn new(
        io: &'i mut IO,
        notices: Option<&'i mut N>,
        newline: &'static str,
        filters_controls: bool,
    ) -> Self {
        Self { io, notices, ahead: heapless::Deque::new(), newline, filters_controls }
    }

    /// The next byte, waiting for it; `None` at the end of the input.
    pub(crate) fn read_byte(&mut self) -> Result<Option<u8>, IO::Error> {
        if let Some(byte) = self.ahead.pop_front() {
            return Ok(Some(byte));
        }
        let mut byte = [0];
        let n = self.io.read(&mut byte)?;
        Ok((n == 1).then_some(byte[0]))
    }

    /// Gives back the byte that [`read_byte`](Self::read_byte) has just returned.
    pub(crate) fn unread(&mut self, byte: u8) {
        // It came from the front of the queue, or from the stream while the queue was empty.
        let kept = self.ahead.push_front(byte);
        debug_assert!(kept.is_ok());
    }

    /// Takes what has arrived without waiting; true if an interrupt is among it.
    ///
    /// An interrupt also drops what was typed before it. Bytes that find no room stay in the
    /// stream's own buffer, to be read with the next line.
    pub(crate) fn poll_interrupt(&mut self) -> Result<bool, IO::Error> {
        while !self.ahead.is_full() && self.io.read_ready()? {
            let mut byte = [0];
            if self.io.read(&mut byte)? == 0 {
                break;
            }
            if byte[0] == INTERRUPT {
                self.ahead.clear();
                return Ok(true);
            }
            // Room was checked above.
            let kept = self.ahead.push_back(byte[0]);
            debug_assert!(kept.is_ok());
        }
        Ok(false)
    }

    /// Answer text.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), IO::Error> {
        let (newline, filter) = (self.newline, self.filters_controls);
        write_text(self.io, text, newline, filter)?;
        self.io.flush()
    }

    /// Echo and prompts: exactly these bytes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), IO::Error> {
        self.io.write_all(bytes)?;
        self.io.flush()
    }

    /// Messages about the session rather than from the model.
    pub(crate) fn notice(&mut self, message: core::fmt::Arguments<'_>) -> Result<(), IO::Error> {
        match &mut self.notices {
            // A broken notice stream must not end the session: the answers go elsewhere.
            Some(notices) => drop(notices.write_fmt(format_args!("{message}\n"))),
            None => {
                let mut line = Line { io: self.io, newline: self.newline, error: None };
                let written = core::fmt::write(&mut line, message);
                if let (Err(_), Some(error)) = (written, line.error) {
                    return Err(error);
                }
                self.io.write_all(self.newline.as_bytes())?;
                self.io.flush()?;
            }
        }
        Ok(())
    }
}

/// Writes `text`, newlines translated and, if asked, control characters left out.
fn write_text<W: Write>(io: &mut W, text: &str, newline: &str, filter: bool) -> Result<(), W::Error> {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '\n' || filter && c.is_control() && c != '\t') {
        io.write_all(&rest.as_bytes()[..at])?;
        let Some(special) = rest[at..].chars().next() else { break };
        if special == '\n' {
            io.write_all(newline.as_bytes())?;
        }
        rest = &rest[at + special.len_utf8()..];
    }
    io.write_all(rest.as_bytes())
}

/// `core::fmt` over the stream, keeping the stream's own error.
struct Line<'l, W: Write> {
    io: &'l mut W,
    newline: &'static str,
    error: Option<W::Error>,
}

impl<W: Write> core::fmt::Write for Line<'_, W> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        write_text(self.io, s, self.newline, false).map_err(|e| {
            self.error = Some(e);
            core::fmt::Error
        })
    }
}
