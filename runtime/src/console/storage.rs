//! `/save` and `/restore`: conversations kept where the host has a place for them

use core::fmt;

use embedded_io::{ErrorKind, Read, ReadReady, Write};

use super::wire::Wire;
use super::{Console, MAX_SYSTEM_BYTES};
use crate::session::Restored;

/// The longest name of a saved conversation, in characters.
const MAX_NAME: usize = 64;
/// What a storage found that answers [`ErrorKind::InvalidInput`].
const NO_FILE: &str = "a folder, device or pipe of that name";

/// A place for conversations, by name: a folder, an SD card, a buffer.
///
/// Names are 1 to 64 letters, digits, `-` and `_`.
pub trait Storage: fmt::Debug {
    /// Keeps under `name` what `write` writes, in the place of what was there: whole, or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if something of that name is there that cannot be replaced, as a folder; the place's
    /// own; or what `write` returned.
    fn save(
        &mut self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write<Error = ErrorKind>) -> Result<(), ErrorKind>,
    ) -> Result<(), ErrorKind>;

    /// Lets `read` read what is kept under `name`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is nothing of that name, [`ErrorKind::InvalidInput`] if it is nothing that can be
    /// read as a conversation, as a folder; or the place's own.
    fn restore(
        &mut self,
        name: &str,
        read: &mut dyn FnMut(&mut dyn Read<Error = ErrorKind>),
    ) -> Result<(), ErrorKind>;
}

impl<'a> Console<'a> {
    /// Gives `/save` and `/restore` a place; without one they say that there is none.
    pub fn set_storage(&mut self, storage: &'a mut dyn Storage) {
        self.storage = Some(storage);
    }

    pub(super) fn save<IO, N>(&mut self, name: &str, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let Some(storage) = self.checked_storage(name, wire)? else { return Ok(()) };
        let saved = storage.save(name, &mut |mut to| {
            self.conversation.save(&self.system, to)?;
            self.session.save_prefix(&mut to).map(|_| ())
        });
        self.storage = Some(storage);
        match saved {
            Ok(()) => {
                let n = self.conversation.ids().len();
                wire.notice(format_args!("saved as {name}: {n} tokens; /restore {name} goes on from here"))
            }
            Err(ErrorKind::InvalidInput) => self.refuse(
                wire,
                format_args!(
                    "{name}: expected to save the conversation, found {NO_FILE}; choose another name"
                ),
            ),
            Err(e) => {
                self.refuse(wire, format_args!("{name}: expected to save the conversation, found: {e}"))
            }
        }
    }

    pub(super) fn restore<IO, N>(&mut self, name: &str, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let Some(storage) = self.checked_storage(name, wire)? else { return Ok(()) };
        let mut refused: Result<(), IO::Error> = Ok(());
        let mut n_restored = None;
        let found = storage.restore(name, &mut |mut from| {
            // What follows replaces the conversation, or ends with an empty one.
            self.reset();
            let mut text = [0; MAX_SYSTEM_BYTES];
            let n_text = match self.conversation.load(from, &mut text) {
                Ok(n_text) => n_text,
                Err(e) => {
                    refused = self.refuse(wire, format_args!("{name}: {e}; the conversation is empty"));
                    return;
                }
            };
            match self.session.restore_prefix(&mut from, self.conversation.ids()) {
                Ok(Restored { n_restored: n, .. }) => n_restored = Some(n),
                Err(e) => {
                    self.reset();
                    refused = self.refuse(wire, format_args!("{name}: {e}; the conversation is empty"));
                    return;
                }
            }
            self.system.clear();
            // The checksum matched, so it is the text that was saved, and that fitted.
            let pushed = self.system.push_str(core::str::from_utf8(&text[..n_text]).unwrap_or_default());
            debug_assert!(pushed.is_ok());
        });
        self.storage = Some(storage);
        refused?;
        match (found, n_restored) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(n)) => {
                self.stats.add_restored(n);
                wire.notice(format_args!("restored {name}: {} tokens", self.conversation.ids().len()))
            }
            (Err(ErrorKind::NotFound), _) => self
                .refuse(wire, format_args!("{name}: expected a saved conversation, found none of that name")),
            (Err(ErrorKind::InvalidInput), _) => {
                self.refuse(wire, format_args!("{name}: expected a saved conversation, found {NO_FILE}"))
            }
            (Err(e), _) => {
                self.refuse(wire, format_args!("{name}: expected a saved conversation, found: {e}"))
            }
        }
    }

    /// The storage, taken out of the console, if there is one and the name is one that it takes.
    fn checked_storage<IO, N>(
        &mut self,
        name: &str,
        wire: &mut Wire<'_, IO, N>,
    ) -> Result<Option<&'a mut dyn Storage>, IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_name) {
            let why =
                format_args!("expected a name of 1 to {MAX_NAME} letters, digits, - and _, found \"{name}\"");
            return self.refuse(wire, why).map(|()| None);
        }
        let storage = self.storage.take();
        if storage.is_none() {
            let why = format_args!("there is no storage here; on Linux, start with --saves FOLDER");
            self.refuse(wire, why)?;
        }
        Ok(storage)
    }
}
