//! Reading token ids

use std::path::Path;

use crate::error::Error;

/// The ids of a JSON array such as `[1, 15043, 29889]`.
pub(crate) fn read_ids(path: &Path) -> Result<Vec<u32>, Error> {
    let text = std::fs::read(path).map_err(|e| Error::new(path.display(), e))?;
    serde_json::from_slice(&text).map_err(|e| {
        Error::new(path.display(), format!("expected a JSON array of token ids, found: {e}"))
            .hint("the file looks like: [1, 15043, 29889]")
    })
}
