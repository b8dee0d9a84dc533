//! A conversation as bytes: what of it is not keys and values
//!
//! System message, ids and where turns start, behind a small header and under one checksum; a prefix file follows it in a
//! saved conversation. Read in pieces, straight into the history: what is refused leaves the conversation empty.

use core::fmt;

use embedded_io::{Read, ReadExactError, Write};

use super::{Conversation, MAX_TURNS};
use crate::checksum::Checksum;

/// First bytes of a saved conversation.
const MAGIC: [u8; 8] = *b"TERNTALK";
/// The one version that this reader knows.
const VERSION: u32 = 1;
/// Magic, then seven u32: version, bytes of the system message, ids, end of the system message's ids, turns, flags, zero.
const HEADER_BYTES: usize = 36;
/// Flag: the system message is one piece with the first turn.
const IS_JOINED: u32 = 1;
/// Flag: the last turn has an answer.
const IS_ANSWERED: u32 = 2;

/// Why a saved conversation is refused; `E` is the stream's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SavedError<E> {
    Read(E),
    Truncated,
    BadMagic,
    UnsupportedVersion {
        found: u32,
    },
    /// More than fits: what, how much of it, and how much would.
    TooMany {
        what: &'static str,
        max: usize,
        found: u32,
    },
    /// Counts, turns or flags that no conversation has.
    Inconsistent,
    Checksum {
        expected: u64,
        found: u64,
    },
}

impl<E: fmt::Display> fmt::Display for SavedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(e) => write!(f, "expected to read a saved conversation, found: {e}"),
            Self::Truncated => {
                f.write_str("expected a whole saved conversation, found an end before its end")
            }
            Self::BadMagic => f.write_str("expected a saved conversation, found a file of another kind"),
            Self::UnsupportedVersion { found } => {
                write!(f, "saved conversation: expected version {VERSION}, found {found}")
            }
            Self::TooMany { what, max, found } => write!(f, "{what}: expected at most {max}, found {found}"),
            Self::Inconsistent => {
                f.write_str("expected turns within the conversation, found others: the file is damaged")
            }
            Self::Checksum { expected, found } => {
                write!(f, "checksum of the conversation: expected {expected:016x}, found {found:016x}")
            }
        }
    }
}

impl Conversation<'_> {
    /// Writes the conversation and the `system` message that it starts with.
    pub(crate) fn save<W: Write + ?Sized>(&self, system: &str, to: &mut W) -> Result<(), W::Error> {
        let mut sum = Checksum::new();
        let mut write = |bytes: &[u8]| {
            sum.update(bytes);
            to.write_all(bytes)
        };
        let flags = if self.system_is_joined { IS_JOINED } else { 0 }
            | if self.is_answered { IS_ANSWERED } else { 0 };
        write(&MAGIC)?;
        let counts = [system.len(), self.n, self.n_system, self.turns.len()].map(count);
        for word in [VERSION, counts[0], counts[1], counts[2], counts[3], flags, 0] {
            write(&word.to_le_bytes())?;
        }
        write(system.as_bytes())?;
        self.turns.iter().try_for_each(|&start| write(&count(start).to_le_bytes()))?;
        self.ids().iter().try_for_each(|id| write(&id.to_le_bytes()))?;
        let sum = sum.value();
        to.write_all(&sum.to_le_bytes())
    }

    /// Replaces the conversation by a saved one, whose system message goes to `system`; returns its length in bytes.
    ///
    /// # Errors
    /// [`SavedError`]; the conversation is empty then, and `system` holds no message.
    pub(crate) fn load<R: Read + ?Sized>(
        &mut self,
        from: &mut R,
        system: &mut [u8],
    ) -> Result<usize, SavedError<R::Error>> {
        self.reset();
        let loaded = self.load_parts(from, system);
        if loaded.is_err() {
            self.reset();
        }
        loaded
    }

    fn load_parts<R: Read + ?Sized>(
        &mut self,
        from: &mut R,
        system: &mut [u8],
    ) -> Result<usize, SavedError<R::Error>> {
        let mut sum = Checksum::new();
        let mut read = |bytes: &mut [u8]| {
            from.read_exact(bytes).map_err(|e| match e {
                ReadExactError::UnexpectedEof => SavedError::Truncated,
                ReadExactError::Other(e) => SavedError::Read(e),
            })?;
            sum.update(bytes);
            Ok(())
        };
        let mut header = [0; HEADER_BYTES];
        read(&mut header)?;
        let mut words = header[8..].as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or(0);
        let (version, n_text, n_ids, n_system, n_turns, flags, zero) =
            (word(), word(), word(), word(), word(), word(), word());
        if header[..8] != MAGIC {
            return Err(SavedError::BadMagic);
        }
        if version != VERSION {
            return Err(SavedError::UnsupportedVersion { found: version });
        }
        for (what, max, found) in [
            ("bytes of the system message", system.len(), n_text),
            ("tokens, the context", self.history.len(), n_ids),
            ("turns", MAX_TURNS, n_turns),
        ] {
            if found as usize > max {
                return Err(SavedError::TooMany { what, max, found });
            }
        }
        read(&mut system[..n_text as usize])?;
        let mut previous = n_system;
        for i in 0..n_turns {
            let mut start = [0; 4];
            read(&mut start)?;
            let start = u32::from_le_bytes(start);
            // The first turn starts where the system message ends, the others behind it.
            if if i == 0 { start != n_system } else { start <= previous } || start > n_ids {
                return Err(SavedError::Inconsistent);
            }
            previous = start;
            // No more than the queue holds, as checked above.
            let pushed = self.turns.push_back(start as usize);
            debug_assert!(pushed.is_ok());
        }
        for slot in &mut self.history[..n_ids as usize] {
            let mut id = [0; 4];
            read(&mut id)?;
            *slot = u32::from_le_bytes(id);
        }
        let found = sum.value();
        let mut expected = [0; 8];
        from.read_exact(&mut expected).map_err(|e| match e {
            ReadExactError::UnexpectedEof => SavedError::Truncated,
            ReadExactError::Other(e) => SavedError::Read(e),
        })?;
        let expected = u64::from_le_bytes(expected);
        if found != expected {
            return Err(SavedError::Checksum { expected, found });
        }
        if n_system > n_ids || flags > (IS_JOINED | IS_ANSWERED) || zero != 0 {
            return Err(SavedError::Inconsistent);
        }
        self.n = n_ids as usize;
        self.n_system = n_system as usize;
        self.system_is_joined = flags & IS_JOINED != 0;
        self.is_answered = flags & IS_ANSWERED != 0;
        Ok(n_text as usize)
    }
}

/// A count of ids or bytes, all far below 2^32.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
