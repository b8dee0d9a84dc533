//! Results go to stdout, all else to stderr; a reader that has left is no error

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process;

use crate::error::Error;

/// Writes to stdout. If the reader has closed the pipe the program ends quietly, as `head` expects.
pub(crate) fn out(text: fmt::Arguments<'_>) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => process::exit(0),
        outcome => outcome.map_err(|e| Error::new("stdout", e)),
    }
}

/// Writes a line to stderr. Where that cannot be written nobody is left to be told.
pub(crate) fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
