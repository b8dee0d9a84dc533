//! Reading one line: editing for people, plain bytes for pipes
//!
//! With echo on, backspace, arrows left and right, Home, End, Delete, Ctrl-U and Ctrl-C work on
//! every terminal that honours a bare backspace; no ANSI sequence is sent. A line that exceeds the
//! buffer is read to its end and reported with its length, so the next line starts clean.

use embedded_io::{Read, ReadReady, Write};

use super::wire::{INTERRUPT, Wire};

/// What reading a line gave. The text is in the buffer that was passed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEvent {
    /// A complete line of this many bytes.
    Line(usize),
    /// A line of `found` bytes, more than the buffer holds.
    TooLong {
        /// Bytes of the line.
        found: usize,
    },
    /// Ctrl-C: the line was thrown away.
    Cancelled,
    /// The input has ended.
    End,
}

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const ESCAPE: u8 = 0x1b;
const END_OF_INPUT: u8 = 0x04;
const KILL_LINE: u8 = 0x15;

/// Reads plain bytes up to a newline; a last line may lack it.
pub(crate) fn read_plain<IO, N>(wire: &mut Wire<'_, IO, N>, buffer: &mut [u8]) -> Result<LineEvent, IO::Error>
where
    IO: Read + ReadReady + Write,
    N: Write,
{
    let mut found = 0usize;
    loop {
        match wire.read_byte()? {
            None if found == 0 => return Ok(LineEvent::End),
            None | Some(b'\n') => break,
            Some(byte) => {
                if let Some(slot) = buffer.get_mut(found) {
                    *slot = byte;
                }
                found += 1;
            }
        }
    }
    if found > buffer.len() {
        return Ok(LineEvent::TooLong { found });
    }
    let has_return = found > 0 && buffer[found - 1] == b'\r';
    Ok(LineEvent::Line(found - usize::from(has_return)))
}

/// An editable line on a terminal.
#[derive(Debug)]
pub(crate) struct LineEditor<'b> {
    buffer: &'b mut [u8],
    len: usize,
    cursor: usize,
    /// Bytes that found no room.
    overflow: usize,
}

impl<'b> LineEditor<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, cursor: 0, overflow: 0 }
    }

    /// Reads and echoes until Enter, Ctrl-C or the end of the input.
    ///
    /// `after_return` says that the previous line ended in CR, so that an LF right behind it
    /// belongs to it; it is left set for the next line.
    pub(crate) fn read<IO, N>(
        mut self,
        wire: &mut Wire<'_, IO, N>,
        after_return: &mut bool,
        newline: &str,
    ) -> Result<LineEvent, IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        loop {
            let Some(byte) = wire.read_byte()? else {
                let empty = self.len == 0 && self.overflow == 0;
                return Ok(if empty { LineEvent::End } else { self.finish() });
            };
            if core::mem::take(after_return) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\r' | b'\n' => {
                    *after_return = byte == b'\r';
                    wire.raw(newline.as_bytes())?;
                    return Ok(self.finish());
                }
                INTERRUPT => {
                    wire.raw(b"^C")?;
                    wire.raw(newline.as_bytes())?;
                    return Ok(LineEvent::Cancelled);
                }
                END_OF_INPUT if self.len == 0 && self.overflow == 0 => return Ok(LineEvent::End),
                KILL_LINE => {
                    self.overflow = 0;
                    while self.cursor > 0 || self.len > 0 {
                        if self.cursor == 0 {
                            self.delete_forward(wire)?;
                        } else {
                            self.delete_back(wire)?;
                        }
                    }
                }
                BACKSPACE | DELETE => self.delete_back(wire)?,
                ESCAPE => self.escape(wire)?,
                0x00..0x20 if byte != b'\t' => {}
                _ => self.insert(byte, wire)?,
            }
        }
    }

    fn finish(&self) -> LineEvent {
        if self.overflow > 0 {
            LineEvent::TooLong { found: self.len + self.overflow }
        } else {
            LineEvent::Line(self.len)
        }
    }

    fn insert<IO, N>(&mut self, byte: u8, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        if self.len == self.buffer.len() || self.overflow > 0 {
            self.overflow += 1;
            return Ok(());
        }
        self.buffer.copy_within(self.cursor..self.len, self.cursor + 1);
        self.buffer[self.cursor] = byte;
        self.len += 1;
        self.cursor += 1;
        // A multi-byte character is shown with its last byte; the tail only behind whole ones.
        wire.raw(&[byte])?;
        self.redraw_tail(wire, 0)
    }

    /// Shows what stands right of the cursor, blanks `gone` columns behind it, and comes back.
    fn redraw_tail<IO, N>(&self, wire: &mut Wire<'_, IO, N>, gone: usize) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let tail = &self.buffer[self.cursor..self.len];
        wire.raw(tail)?;
        for _ in 0..gone {
            wire.raw(b" ")?;
        }
        for _ in 0..columns(tail) + gone {
            wire.raw(&[BACKSPACE])?;
        }
        Ok(())
    }

    fn delete_back<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        if self.overflow > 0 {
            self.overflow -= 1;
            return Ok(());
        }
        if self.cursor == 0 {
            return Ok(());
        }
        self.left(wire)?;
        self.delete_forward(wire)
    }

    fn delete_forward<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let end = self.next_character();
        if end == self.cursor {
            return Ok(());
        }
        self.buffer.copy_within(end..self.len, self.cursor);
        self.len -= end - self.cursor;
        self.redraw_tail(wire, 1)
    }

    fn left<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        if self.cursor == 0 {
            return Ok(());
        }
        self.cursor -= 1;
        while self.cursor > 0 && is_continuation(self.buffer[self.cursor]) {
            self.cursor -= 1;
        }
        wire.raw(&[BACKSPACE])
    }

    fn right<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let end = self.next_character();
        wire.raw(&self.buffer[self.cursor..end])?;
        self.cursor = end;
        Ok(())
    }

    /// End of the character at the cursor.
    fn next_character(&self) -> usize {
        let mut end = (self.cursor + 1).min(self.len);
        while end < self.len && is_continuation(self.buffer[end]) {
            end += 1;
        }
        end
    }

    /// `ESC [ …` and `ESC O …`: arrows, Home, End, Delete; anything else is dropped.
    fn escape<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        match wire.read_byte()? {
            Some(b'[' | b'O') => {}
            // A lone Esc: what follows is a key of its own.
            Some(byte) => {
                wire.unread(byte);
                return Ok(());
            }
            None => return Ok(()),
        }
        let mut parameter = 0u8;
        loop {
            match wire.read_byte()? {
                Some(digit @ b'0'..=b'9') => parameter = digit,
                Some(b';') => {}
                Some(b'C') => return self.right(wire),
                Some(b'D') => return self.left(wire),
                Some(b'~') if parameter == b'3' => return self.delete_forward(wire),
                Some(b'H') => return self.home(wire),
                Some(b'~') if matches!(parameter, b'1' | b'7') => return self.home(wire),
                Some(b'F') => return self.end(wire),
                Some(b'~') if matches!(parameter, b'4' | b'8') => return self.end(wire),
                _ => return Ok(()),
            }
        }
    }

    fn home<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        while self.cursor > 0 {
            self.left(wire)?;
        }
        Ok(())
    }

    fn end<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        while self.cursor < self.len {
            self.right(wire)?;
        }
        Ok(())
    }
}

/// Terminal columns of UTF-8 text, one per character.
fn columns(text: &[u8]) -> usize {
    text.iter().filter(|byte| !is_continuation(**byte)).count()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;
    use embedded_io::ErrorType;
    use std::collections::VecDeque;
    use std::vec::Vec;

    use super::*;

    struct Script {
        input: VecDeque<u8>,
        output: Vec<u8>,
    }

    impl ErrorType for Script {
        type Error = Infallible;
    }

    impl Read for Script {
        fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
            Ok(self.input.pop_front().map_or(0, |byte| {
                buf[0] = byte;
                1
            }))
        }
    }

    impl ReadReady for Script {
        fn read_ready(&mut self) -> Result<bool, Infallible> {
            Ok(!self.input.is_empty())
        }
    }

    impl Write for Script {
        fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
            self.output.extend_from_slice(buf);
            Ok(buf.len())
        }

        fn flush(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    /// Lines that `input` gives with a buffer of 8 bytes, edited or plain, up to the end.
    fn lines(input: &[u8], edited: bool) -> Vec<Result<Vec<u8>, LineEvent>> {
        let mut script = Script { input: input.iter().copied().collect(), output: Vec::new() };
        let mut wire = Wire::<_, Script>::new(&mut script, None, "\r\n", true);
        let mut after_return = false;
        let mut all = Vec::new();
        loop {
            let mut buffer = [0; 8];
            let event = if edited {
                LineEditor::new(&mut buffer).read(&mut wire, &mut after_return, "\r\n")
            } else {
                read_plain(&mut wire, &mut buffer)
            };
            match event.unwrap() {
                LineEvent::End => return all,
                LineEvent::Line(len) => all.push(Ok(buffer[..len].to_vec())),
                other => all.push(Err(other)),
            }
        }
    }

    #[test]
    fn editing_gives_the_line_that_the_screen_shows() {
        let cases: [(&[u8], &[u8]); 9] = [
            (b"abc\r", b"abc"),
            (b"abd\x7fc\r", b"abc"),
            (b"ac\x1b[Db\r", b"abc"),
            (b"bc\x1b[Ha\x1b[Fd\r", b"abcd"),
            (b"abxc\x1b[D\x1b[D\x1b[3~\r", b"abc"),
            (b"junk\x15ok\r", b"ok"),
            ("\u{e9}\u{e8}\x08!\r".as_bytes(), "\u{e9}!".as_bytes()),
            (b"\x7f\x7f\x1b[D\x1b[Ca\x01\x02\r", b"a"),
            (b"a\x1b[5~b\x1b[1;5Cc\x1b\r", b"abc"),
        ];
        for (input, expected) in cases {
            assert_eq!(lines(input, true), [Ok(expected.to_vec())], "{input:?}");
        }
    }

    #[test]
    fn crlf_is_one_line_end_and_ctrl_c_drops_the_line() {
        assert_eq!(
            lines(b"a\r\nb\nc\rd\x03e\r", true),
            [
                Ok(b"a".to_vec()),
                Ok(b"b".to_vec()),
                Ok(b"c".to_vec()),
                Err(LineEvent::Cancelled),
                Ok(b"e".to_vec())
            ]
        );
    }

    #[test]
    fn an_overlong_line_is_reported_whole_and_the_next_is_clean() {
        for edited in [false, true] {
            assert_eq!(
                lines(b"123456789ab\nok\n12345678\n", edited),
                [Err(LineEvent::TooLong { found: 11 }), Ok(b"ok".to_vec()), Ok(b"12345678".to_vec())]
            );
        }
    }

    #[test]
    fn a_plain_last_line_may_lack_its_newline_and_keeps_its_bytes() {
        assert_eq!(lines(b"a\x7f\x03b\r\nlast", false), [Ok(b"a\x7f\x03b".to_vec()), Ok(b"last".to_vec())]);
    }
}
