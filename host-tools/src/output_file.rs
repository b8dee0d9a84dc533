//! An output that appears whole or not at all
//!
//! Bytes go to a file without a name (Linux, `O_TMPFILE`), which gets one only when everything is on disk: whatever
//! ends the process before, SIGKILL and loss of power included, leaves nothing. On file systems that have no such files
//! it is a hidden one beside the target, `.TARGET.PID.part`, removed when the run fails and harmless when it was killed.
//! So an output may be what a program still reads, and a failed run leaves what was there.
//! Devices and pipes have no name to take: they are refused, or streamed to where the caller can.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf, is_separator};
use std::process;

use crate::error::Error;

/// A file in the making.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    form: Form,
    target: PathBuf,
}

/// Where the bytes lie until they are published.
#[derive(Debug)]
enum Form {
    /// In a file that this path below `/proc` leads to, and no name.
    Nameless(PathBuf),
    /// In a hidden file of this name.
    Hidden(PathBuf),
    /// In the target.
    Stream,
}

impl OutputFile {
    /// Creates a file in the folder of `target`.
    ///
    /// # Errors
    /// A target that is a folder, a device or a pipe, or a folder that cannot be written in.
    pub fn create(target: &Path) -> Result<Self, Error> {
        let refuse = |found: &str| {
            Error::new(target.display(), format!("expected the name of a file to write, found {found}"))
                .hint("choose another name for the output")
        };
        if target.file_name().is_none() || target.to_string_lossy().ends_with(is_separator) {
            return Err(refuse("a folder"));
        }
        match fs::metadata(target) {
            Ok(there) if there.is_dir() => return Err(refuse("a folder")),
            Ok(there) if !there.is_file() => return Err(refuse("a device or pipe")),
            _ => {}
        }
        let target = target.to_owned();
        if let Some((file, path)) = nameless(&target) {
            return Ok(Self { file, form: Form::Nameless(path), target });
        }
        let part = hidden(&target);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&part).map_err(|e| {
            Error::new(target.display(), format!("expected a folder to write in, found: {e}"))
                .hint("choose another place for the output")
        })?;
        Ok(Self { file, form: Form::Hidden(part), target })
    }

    /// As [`create`](Self::create), but a device or a pipe is written to as it is, front to back.
    ///
    /// # Errors
    /// A target that is a folder, or cannot be written.
    pub fn create_or_stream(target: &Path) -> Result<Self, Error> {
        if !fs::metadata(target).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            return Self::create(target);
        }
        let file = OpenOptions::new().write(true).open(target).map_err(|e| write_error(target, &e))?;
        Ok(Self { file, form: Form::Stream, target: target.into() })
    }

    /// The file to write to.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Where the bytes lie until [`publish`](Self::publish), for this process.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.form {
            Form::Nameless(path) | Form::Hidden(path) => path,
            Form::Stream => &self.target,
        }
    }

    /// Flushes to disk and takes the target's name.
    ///
    /// # Errors
    /// A disk that is full, or a name that was taken by a folder in the meantime.
    pub fn publish(mut self) -> Result<(), Error> {
        if matches!(self.form, Form::Stream) {
            return Ok(());
        }
        self.file.sync_all().map_err(|e| self.error(&e))?;
        if let Form::Nameless(path) = &self.form {
            // A link cannot take the place of an older file; a rename can.
            let part = hidden(&self.target);
            link(path, &part).map_err(|e| self.error(&e))?;
            self.form = Form::Hidden(part);
        }
        fs::rename(self.path(), &self.target).map_err(|e| self.error(&e))
    }

    /// A failed write.
    #[must_use]
    pub fn error(&self, e: &std::io::Error) -> Error {
        write_error(&self.target, e)
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Form::Hidden(part) = &self.form {
            // After `publish` there is nothing of that name; after a failure nobody can act on a second one.
            let _ = fs::remove_file(part);
        }
    }
}

/// The name of the hidden file beside `target`.
fn hidden(target: &Path) -> PathBuf {
    let name = target.file_name().map_or(Cow::Borrowed("output"), |name| name.to_string_lossy());
    target.with_file_name(format!(".{name}.{}.part", process::id()))
}

/// A file without a name on the file system of `target`, and a path that leads to it; `None` where there is no such
/// thing.
#[cfg(target_os = "linux")]
fn nameless(target: &Path) -> Option<(File, PathBuf)> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{Mode, OFlags, open};

    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    path.exists().then_some((file, path))
}

/// No other system has them.
#[cfg(not(target_os = "linux"))]
const fn nameless(_: &Path) -> Option<(File, PathBuf)> {
    None
}

/// Gives the nameless file that `path` leads to the name `to`.
#[cfg(target_os = "linux")]
fn link(path: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};

    Ok(linkat(CWD, path, CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}

/// There are no nameless files to link.
#[cfg(not(target_os = "linux"))]
fn link(path: &Path, to: &Path) -> std::io::Result<()> {
    fs::hard_link(path, to)
}

fn write_error(target: &Path, e: &std::io::Error) -> Error {
    let hint = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or choose a place on a larger disk",
        _ => "choose another place for the output",
    };
    Error::new(target.display(), format!("expected to write the file, found: {e}")).hint(hint)
}

/// Refuses an `output` that is one of the `inputs`, whatever the paths are called.
///
/// # Errors
/// If two of the paths lead to the same file.
pub fn refuse_input(output: &Path, inputs: &[&Path]) -> Result<(), Error> {
    let Ok(real) = fs::canonicalize(output) else { return Ok(()) };
    match inputs.iter().find(|input| fs::canonicalize(input).is_ok_and(|input| input == real)) {
        None => Ok(()),
        Some(input) => Err(Error::new(
            output.display(),
            format!("expected another file than the input, found {} itself", input.display()),
        )
        .hint("choose another name for the output")),
    }
}
