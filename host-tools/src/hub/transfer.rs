//! One file from the hub into the cache: resumed where it stopped, checked before it counts
//!
//! A blob gets its name only when size and hash are right. Until then its bytes lie in `<etag>.incomplete`, which a later
//! run continues. They are written at their places and never cut off, so that a second program that writes the same
//! blob, where locks do not hold, writes the same bytes.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ureq::http::StatusCode;

use super::cache::{RepoCache, create_parent, write_error};
use super::client::Client;
use super::content::{Content, Hasher};
use super::failure::{Failure, Kind};
use super::resolve::Event;
use crate::error::Error;

/// Attempts in a row that bring no byte before a file is given up.
const MAX_ATTEMPTS: u32 = 4;

/// Pause before the second attempt; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Bytes moved at once.
const PIECE_BYTES: usize = 256 << 10;

/// Who is asked, where files go, and which commit is meant.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) client: &'a Client<'a>,
    pub(super) cache: &'a RepoCache,
    pub(super) commit: &'a str,
    /// What the user calls the model.
    pub(super) model: &'a str,
}

/// A file on its way.
struct Part<'a> {
    name: &'a str,
    content: &'a Content,
    file: File,
    /// Bytes that are in the file.
    position: u64,
    /// Of these bytes.
    hasher: Hasher,
}

impl Transfer<'_> {
    /// Brings `name` into the snapshot unless it is there.
    pub(super) fn fetch(&self, name: &str, report: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if self.cache.has(self.commit, name) {
            return Ok(());
        }
        let content =
            patiently(|| self.client.content(self.commit, name)).map_err(|failure| failure.error)?;
        let lock = self.cache.lock(&content.etag, &mut || {
            report(Event::Note(format!("{name}: another program is fetching it, waiting")));
        })?;
        if !self.cache.blob(&content.etag).exists() {
            self.fetch_blob(name, &content, report)?;
        }
        drop(lock);
        self.cache.link(&content.etag, self.commit, name)
    }

    fn fetch_blob(
        &self,
        name: &str,
        content: &Content,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let path = self.cache.incomplete(&content.etag);
        let broken = |e: &io::Error| write_error(&path, e);
        // A damaged older part is one reason for a wrong hash, and not the server's fault: one more try is fair.
        let mut is_last = false;
        loop {
            create_parent(&path).map_err(|e| broken(&e))?;
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let mut part = Part {
                name,
                content,
                file: file.map_err(|e| broken(&e))?,
                position: 0,
                hasher: content.hasher(),
            };
            part.take_up().map_err(|e| broken(&e))?;
            if part.position > 0 {
                let note = format!("{name}: continued at byte {} of {}", part.position, content.size);
                report(Event::Note(note));
            }
            self.receive(&mut part, &path, report)?;
            let found = part.hasher.finish();
            if found == content.etag {
                let blob = self.cache.blob(&content.etag);
                part.file
                    .set_len(content.size)
                    .and_then(|()| part.file.sync_all())
                    .map_err(|e| broken(&e))?;
                return match fs::rename(&path, &blob) {
                    // Where locks do not hold, another program may have been as far a moment earlier.
                    Err(e) if !blob.exists() => Err(write_error(&blob, &e)),
                    _ => Ok(()),
                };
            }
            fs::remove_file(&path).map_err(|e| broken(&e))?;
            let problem = format!("expected {} {}, found {found}", content.algorithm(), content.etag);
            if is_last {
                return Err(Error::new(format!("{}: {name}", self.model), problem).hint(
                    "what came was deleted; a proxy or mirror that alters files, or bad memory, does this: try another network",
                ));
            }
            report(Event::Note(format!("{name}: {problem}; deleted, fetching it again")));
            is_last = true;
        }
    }

    /// Receives what `part` lacks, over as many connections as that takes.
    fn receive(
        &self,
        part: &mut Part<'_>,
        path: &Path,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let mut attempt = 1;
        let (name, size) = (part.name, part.content.size);
        report(Event::Progress { file: name, done: part.position, total: size });
        while part.position < size {
            let before = part.position;
            let Err(failure) = self.receive_once(part, path, report) else { continue };
            if part.position > before {
                attempt = 1;
            }
            if failure.kind == Kind::Final {
                return Err(failure.error);
            }
            if attempt == MAX_ATTEMPTS {
                let kept =
                    format!("{} of {size} bytes are kept; the same command continues there", part.position);
                return Err(failure.error.during(name).hint(kept));
            }
            pause(attempt);
            attempt += 1;
        }
        Ok(())
    }

    /// Receives until the file is whole or the connection ends.
    fn receive_once(
        &self,
        part: &mut Part<'_>,
        path: &Path,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let broken = |e: &io::Error| Failure::from(write_error(path, e));
        let url = self.client.file_url(self.commit, part.name);
        let answer = self.client.open(self.commit, part.name, part.position)?;
        if answer.status() == StatusCode::OK && part.position > 0 {
            // This server knows no ranges: from the start, over the same bytes.
            part.position = 0;
            part.hasher = part.content.hasher();
            part.file.seek(SeekFrom::Start(0)).map_err(|e| broken(&e))?;
        }
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let range = answer.headers().get("Content-Range").and_then(|value| value.to_str().ok());
            let expected = format!("bytes {}-", part.position);
            if !range.is_some_and(|range| range.starts_with(&expected)) {
                let problem = format!("expected {expected}..., found {}", range.unwrap_or("no range"));
                return Err(Error::new(&url, problem).into());
            }
        }
        let mut body = answer.into_body().into_reader().take(part.content.size - part.position);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let n = body.read(&mut piece).map_err(|e| self.client.network(&url, &e.into()))?;
            if n == 0 {
                break;
            }
            part.file.write_all(&piece[..n]).map_err(|e| broken(&e))?;
            part.hasher.update(&piece[..n]);
            part.position += n as u64;
            report(Event::Progress { file: part.name, done: part.position, total: part.content.size });
        }
        if part.position < part.content.size {
            let found =
                format!("expected {} bytes, found the end after {}", part.content.size, part.position);
            return Err(Failure { error: Error::new(&url, found), kind: Kind::Network });
        }
        Ok(())
    }
}

impl Part<'_> {
    /// Hashes what an earlier run left and stands behind it.
    fn take_up(&mut self) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let length = self.file.metadata()?.len();
        let mut left = (&self.file).take(length.min(self.content.size));
        loop {
            let n = left.read(&mut piece)?;
            if n == 0 {
                break;
            }
            self.hasher.update(&piece[..n]);
            self.position += n as u64;
        }
        self.file.seek(SeekFrom::Start(self.position))?;
        Ok(())
    }
}

/// Repeats a question that may be answered later.
pub(super) fn patiently<T>(mut ask: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut attempt = 1;
    loop {
        match ask() {
            Err(failure) if failure.kind != Kind::Final && attempt < MAX_ATTEMPTS => {
                pause(attempt);
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

fn pause(attempt: u32) {
    thread::sleep(FIRST_PAUSE * (1 << (attempt - 1)));
}
