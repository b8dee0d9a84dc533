//! The cache that Hugging Face's programs share: blobs by hash, snapshots by commit, names as links
//!
//! ```text
//! models--org--name/blobs/<etag>                 a file's bytes; `<etag>.incomplete` while they come
//!                  /snapshots/<commit>/<file>    a link to ../../blobs/<etag>
//!                  /refs/<revision>              the commit that a branch or tag had last
//! .locks/models--org--name/<etag>.lock           held while that blob is written
//! ```
//! Source: `huggingface_hub` 2.4, `file_download.py`.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;

use super::settings::Settings;
use crate::error::Error;

/// One model's folder in the cache.
#[derive(Debug)]
pub(super) struct RepoCache {
    folder: PathBuf,
    locks: PathBuf,
    symlinks: bool,
}

impl RepoCache {
    pub(super) fn new(settings: &Settings, repo: &str) -> Self {
        let name = format!("models--{}", repo.replace('/', "--"));
        Self {
            folder: settings.cache.join(&name),
            locks: settings.cache.join(".locks").join(&name),
            symlinks: settings.symlinks,
        }
    }

    /// The model's folder, for messages.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of one commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Whether `file` of `commit` is here whole. A link whose blob was deleted is not.
    pub(super) fn has(&self, commit: &str, file: &str) -> bool {
        self.snapshot(commit).join(file).exists()
    }

    /// All files of `commit` that are here whole, in no order.
    pub(super) fn files(&self, commit: &str) -> Vec<String> {
        let snapshot = self.snapshot(commit);
        let mut found = Vec::new();
        let mut folders = vec![snapshot.clone()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().into_iter().flatten().flatten() {
                let path = entry.path();
                // Links to folders are none of the cache's: following them could go round in circles.
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if let (true, Ok(name)) = (path.is_file(), path.strip_prefix(&snapshot)) {
                    found.push(name.to_string_lossy().replace('\\', "/"));
                }
            }
        }
        found
    }

    /// The commit that `revision` had when it was last looked up; a whole commit hash is itself.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.into());
        }
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Notes that `revision` is `commit`.
    pub(super) fn remember(&self, revision: &str, commit: &str) -> Result<(), Error> {
        if self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        let part = path.with_file_name(format!(".{}.part", process::id()));
        create_parent(&path)
            .and_then(|()| fs::write(&part, commit))
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|e| write_error(&path, &e))
    }

    /// Where the bytes called `etag` lie.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Where they lie until they are whole.
    pub(super) fn incomplete(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// Waits until no other program writes the blob. `waiting` is called if that takes time. Where the file system
    /// knows no locks the work is done without: blobs are written so that two writers do no harm.
    pub(super) fn lock(&self, etag: &str, waiting: &mut dyn FnMut()) -> Result<Option<File>, Error> {
        let path = self.locks.join(format!("{etag}.lock"));
        let file = create_parent(&path)
            .and_then(|()| File::options().create(true).append(true).open(&path))
            .map_err(|e| write_error(&path, &e))?;
        let locked = match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock()
            }
            Err(TryLockError::Error(e)) => Err(e),
        };
        Ok(locked.is_ok().then_some(file))
    }

    /// Gives the blob `etag` its name in a commit.
    pub(super) fn link(&self, etag: &str, commit: &str, file: &str) -> Result<(), Error> {
        let name = self.snapshot(commit).join(file);
        let blob = self.blob(etag);
        let linked = || {
            create_parent(&name)?;
            // What is here dangles, or was linked by another program a moment ago.
            match fs::remove_file(&name) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let up = "../".repeat(2 + file.matches('/').count());
            match self.symlinks && symlink(&format!("{up}blobs/{etag}"), &name).is_ok() {
                true => Ok(()),
                // No links on this file system: the snapshot holds the file itself.
                false => fs::rename(&blob, &name),
            }
        };
        linked().map_err(|e| write_error(&name, &e))
    }
}

/// Forty hexadecimal digits.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Makes the folder that `path` shall be in.
pub(super) fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// A file of the cache that could not be written.
pub(super) fn write_error(path: &Path, e: &io::Error) -> Error {
    let hint = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room, or set HF_HUB_CACHE to a folder on a larger disk; what has come is kept"
        }
        _ => "set HF_HUB_CACHE to a folder that can be written",
    };
    Error::new(path.display(), format!("expected to write to the cache, found: {e}")).hint(hint)
}

#[cfg(unix)]
fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &str, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}
