//! Models that tests run

use std::path::{Path, PathBuf};

/// The model that ships with the repository.
#[must_use]
pub fn shipped_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tools/model/demo.tern")
}
