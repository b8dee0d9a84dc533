//! What is often found in the place of a model's file, told by its first bytes
//!
//! A clone without Git LFS holds pointers, a download may hold the page of a log-in, and files get renamed. Each has its
//! own way out, which "damaged" would hide.

use std::path::Path;

use crate::error::Error;

/// How such files start, in any case; what they are; and what to do.
const KINDS: [(&[u8], &str, &str); 4] = [
    (
        b"version https://git-lfs",
        "a Git LFS pointer to it",
        "git lfs pull fetches the file itself; a model on the hub is packed from hf:org/name",
    ),
    (b"<!doctype", WEB_PAGE, WEB_PAGE_HINT),
    (b"<html", WEB_PAGE, WEB_PAGE_HINT),
    (b"GGUF", "a GGUF file", "a GGUF file is a model by itself: name it as SOURCE, not its folder"),
];
const WEB_PAGE: &str = "a web page";
const WEB_PAGE_HINT: &str = "the download led to a page in place of the file: fetch the file itself";

/// The error for the file at `path`, which should be `expected` and starts as something else that is known; `None` if it
/// does not.
pub(super) fn refusal(path: &Path, expected: &str, bytes: &[u8]) -> Option<Error> {
    let starts_with = |start: &[u8]| bytes.get(..start.len()).is_some_and(|b| b.eq_ignore_ascii_case(start));
    let (_, found, hint) = KINDS.iter().find(|(start, ..)| starts_with(start))?;
    (*found != expected)
        .then(|| Error::new(path.display(), format!("expected {expected}, found {found}")).hint(hint))
}
