//! `--prompt-cache FILE`: a prompt's keys and values, kept from one run to the next

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use ternlet::output_file::{OutputFile, refuse_input};
use ternlet_runtime::format::PREFIX_MAGIC;
use ternlet_runtime::{Restored, Session, StdStream};

use crate::error::Error;
use crate::output::note;

/// Bytes that are read from or written to the file at once.
const BUFFER_BYTES: usize = 1 << 20;

/// A prefix file, there or yet to be written.
#[derive(Debug)]
pub(crate) struct PromptCache {
    path: PathBuf,
    /// What it gave; `None` if it is absent or was refused.
    restored: Option<Restored>,
}

impl PromptCache {
    /// The cache at `path`, which is not `model`.
    pub(crate) fn new(path: &Path, model: &Path) -> Result<Self, Error> {
        refuse_input(path, &[model])?;
        Ok(Self { path: path.into(), restored: None })
    }

    /// Restores what `ids` has in common with the file, all but the last id, whose logits are wanted; returns the number
    /// of positions. A prefix file that does not suit is reported and counts as absent; another file is refused.
    pub(crate) fn restore(&mut self, session: &mut Session<'_>, ids: &[u32]) -> Result<u32, Error> {
        let failed = |problem: String| {
            Error::new(self.path.display(), problem).hint("choose another name for the prompt cache")
        };
        let unreadable = |e: io::Error| failed(format!("expected a prompt cache, found: {e}"));
        // Before opening: a pipe without a writer would never open.
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(failed("expected a prompt cache, found a folder, device or pipe".into())),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                // The whole prompt will be written: a place that takes no file is told before it is computed.
                drop(OutputFile::create(&self.path)?);
                return Ok(0);
            }
            Err(e) => return Err(unreadable(e)),
        }
        let file = File::open(&self.path).map_err(unreadable)?;
        // What is no prefix file at all would be lost when the cache is written.
        let mut start = Vec::new();
        (&file)
            .take(PREFIX_MAGIC.len() as u64)
            .read_to_end(&mut start)
            .map_err(|e| failed(format!("expected to read it, found: {e}")))?;
        if start.is_empty() {
            return Ok(0);
        }
        if !PREFIX_MAGIC.starts_with(&start) {
            return Err(failed("expected a prompt cache or no file, found a file of another kind".into()));
        }
        let start: &[u8] = &start;
        let mut stream = StdStream(start.chain(BufReader::with_capacity(BUFFER_BYTES, &file)));
        match session.restore_prefix(&mut stream, &ids[..ids.len().saturating_sub(1)]) {
            Ok(restored) => {
                self.restored = Some(restored);
                Ok(restored.n_restored)
            }
            Err(e) => {
                session.truncate(0);
                note(format_args!(
                    "ternlet: {}: {e}; the prompt is computed and the file written again",
                    self.path.display()
                ));
                Ok(0)
            }
        }
    }

    /// Writes the file again if the prompt of `n_ids`, which slot 0 now holds, is not all in it. A failure is reported
    /// and no more: the prompt is computed, and its text is what was asked for.
    pub(crate) fn keep(&self, session: &Session<'_>, n_ids: usize) {
        let holds_all = |r: &Restored| r.n_restored as usize + 1 >= n_ids && r.n_held as usize >= n_ids;
        if self.restored.as_ref().is_some_and(holds_all) {
            return;
        }
        if let Err(e) = self.write(session) {
            note(format_args!("{e}\n  the prompt is not kept: the next run computes it again"));
        }
    }

    fn write(&self, session: &Session<'_>) -> Result<(), Error> {
        let output = OutputFile::create(&self.path)?;
        let mut stream = StdStream(BufWriter::with_capacity(BUFFER_BYTES, output.file()));
        session.save_prefix(&mut stream).map_err(|e| output.error(&e))?;
        drop(stream);
        output.publish()
    }
}
