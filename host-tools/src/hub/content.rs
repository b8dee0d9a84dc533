//! Which bytes a file has: its size, and the hash that is its name in the cache
//!
//! The hub's `ETag` of a large file is the SHA-256 of its bytes, that of a small one the id of its git blob: SHA-1 over
//! `blob <size>\0` and the bytes.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a file shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Bytes.
    pub(super) size: u64,
    /// 64 or 40 lower-case hexadecimal digits.
    pub(super) etag: String,
}

impl Content {
    /// Reads an `ETag` header, quoted and perhaps marked as weak; `None` if it is no hash.
    pub(super) fn new(etag: &str, size: u64) -> Option<Self> {
        let etag = etag.trim().trim_start_matches("W/").trim_matches('"');
        let is_hash =
            matches!(etag.len(), 40 | 64) && etag.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        is_hash.then(|| Self { size, etag: etag.into() })
    }

    /// The name of the hash, for messages.
    pub(super) fn algorithm(&self) -> &'static str {
        if self.etag.len() == 64 { "SHA-256" } else { "git blob id" }
    }

    /// Starts to hash the bytes.
    pub(super) fn hasher(&self) -> Hasher {
        match self.etag.len() {
            64 => Hasher::Sha256(Sha256::new()),
            _ => Hasher::GitBlob(Sha1::new_with_prefix(format!("blob {}\0", self.size))),
        }
    }
}

/// A hash in the making.
#[derive(Debug, Clone)]
pub(super) enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::GitBlob(hash) => hash.update(bytes),
        }
    }

    /// The digest in hexadecimal.
    pub(super) fn finish(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Sha256(hash) => hex(&hash.finalize()),
            Self::GitBlob(hash) => hex(&hash.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(content: &Content, bytes: &[u8]) -> String {
        let mut hasher = content.hasher();
        bytes.chunks(3).for_each(|piece| hasher.update(piece));
        hasher.finish()
    }

    /// Known answers: `printf 'hello\n' | git hash-object --stdin` and `| sha256sum`.
    #[test]
    fn both_kinds_of_hash_are_those_of_git_and_sha256sum() {
        let blob = Content::new("\"ce013625030ba8dba906f756967f9e9ca394464a\"", 6).unwrap();
        assert_eq!(digest(&blob, b"hello\n"), blob.etag);
        let sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let large = Content::new(&format!("W/\"{sum}\""), 6).unwrap();
        assert_eq!(digest(&large, b"hello\n"), sum);
    }

    #[test]
    fn what_is_no_hash_is_no_name_in_the_cache() {
        for etag in
            ["", "\"abc\"", "../../../../../../../../../../../etc/passwd", &"g".repeat(40), &"A".repeat(64)]
        {
            assert_eq!(Content::new(etag, 1), None, "{etag}");
        }
    }
}
