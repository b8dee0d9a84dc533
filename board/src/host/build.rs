//! Builds the image and flattens it
//!
//! `tests/arm-env.sh` chooses the compiler: the active one where it has the bare-metal target
//! (`rustup target add aarch64-unknown-none`), else Debian's, with `core` built from source.

use core::fmt;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use super::elf::{ElfError, flatten};

/// Why there is no image.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The shell that chooses the compiler did not start.
    Shell(io::Error),
    /// The build failed, and has said why on stderr.
    Build,
    /// A file could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The linker's result cannot be flattened.
    Elf(ElfError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(source) => write!(f, "cannot start bash: {source}"),
            Self::Build => f.write_str(
                "the bare-metal image does not build\n  if the target is missing: rustup target add aarch64-unknown-none",
            ),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Elf(error) => write!(f, "the linked image: {error}"),
        }
    }
}

impl core::error::Error for BuildError {}

/// Builds the release image (`cargo image`) and flattens it into the form that loaders take.
///
/// Returns the path of the flat image, `TARGET_DIR/aarch64-unknown-none/release/kernel8.img`; the ELF
/// file with symbols lies beside it as `ternlet-image`. Cargo reports on stderr.
///
/// # Errors
/// See [`BuildError`].
pub fn build_image() -> Result<PathBuf, BuildError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let target_dir = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut build = Command::new("bash");
    build.current_dir(root).args(["tests/arm-env.sh", "bare-metal"]).arg(cargo);
    build.arg("image").arg("--target-dir").arg(&target_dir);
    let status = build.status().map_err(BuildError::Shell)?;
    if !status.success() {
        return Err(BuildError::Build);
    }
    let folder = root.join(target_dir).join("aarch64-unknown-none/release");
    let (elf, flat) = (folder.join("ternlet-image"), folder.join("kernel8.img"));
    let bytes = fs::read(&elf).map_err(|source| BuildError::File { path: elf, source })?;
    let image = flatten(&bytes).map_err(BuildError::Elf)?;
    fs::write(&flat, image).map_err(|source| BuildError::File { path: flat.clone(), source })?;
    Ok(flat)
}
