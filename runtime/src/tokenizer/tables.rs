//! The section's arrays as borrowed slices, and the gate that checks them once
//!
//! Numbers stay little-endian byte groups (`[u8; 4]`), read where they are used: no alignment is demanded and nothing
//! is copied. After [`Tables::parse`] every id is below `n_tokens` and every start within its bytes.

use super::error::TokenizerError;
use super::layout::{
    ADDED_FLAGS, ADDED_SECOND_PASS, HEADER_BYTES, Header, Kind, MAX_ADDED_TOKEN_BYTES, NONE,
};

/// A u32 as it lies in the file.
pub(super) type Word = [u8; 4];

/// A pair of numbers as it lies in the file: right token and rank of a merge, code point and token of a character.
pub(super) type Pair = [u8; 8];

/// The arrays of a checked section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) header: Header,
    pub(super) token_starts: &'a [Word],
    pub(super) special_bits: &'a [Word],
    pub(super) byte_ids: &'a [Word],
    pub(super) merge_starts: &'a [Word],
    pub(super) merge_pairs: &'a [Pair],
    pub(super) merge_ids: &'a [Word],
    pub(super) characters: &'a [Pair],
    pub(super) word_slots: &'a [Word],
    pub(super) added_ids: &'a [Word],
    pub(super) added_starts: &'a [Word],
    pub(super) added_flags: &'a [Word],
    pub(super) prefix_ids: &'a [Word],
    pub(super) suffix_ids: &'a [Word],
    pub(super) token_bytes: &'a [u8],
    pub(super) added_bytes: &'a [u8],
}

/// The number that `word` holds.
pub(super) const fn value(word: Word) -> u32 {
    u32::from_le_bytes(word)
}

/// The two numbers that `pair` holds.
pub(super) const fn pair_value(pair: Pair) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = pair;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// The element's bytes of a starts table; empty if `index` is no element.
pub(super) fn span<'a>(starts: &[Word], bytes: &'a [u8], index: usize) -> &'a [u8] {
    match starts.get(index..=index + 1) {
        Some([start, end]) => bytes.get(value(*start) as usize..value(*end) as usize).unwrap_or(&[]),
        _ => &[],
    }
}

impl<'a> Tables<'a> {
    /// Cuts the section into its arrays and checks every element.
    ///
    /// # Errors
    /// Rejections T1 to T16 of `FORMAT.md`.
    pub(super) fn parse(section: &'a [u8]) -> Result<Self, TokenizerError> {
        let header = Header::decode(section)?;
        let mut cursor = Cursor { rest: section, taken: 0, short: false };
        cursor.bytes(HEADER_BYTES);
        let n_tokens = header.n_tokens as usize;
        let n_merges = header.n_merges as usize;
        let n_added = header.n_added as usize;
        let tables = Self {
            header,
            token_starts: cursor.words(n_tokens + 1),
            special_bits: cursor.words(n_tokens.div_ceil(32)),
            byte_ids: cursor.words(256),
            merge_starts: cursor.words(n_tokens + 1),
            merge_pairs: cursor.bytes(8 * n_merges).as_chunks().0,
            merge_ids: cursor.words(header.n_ranks as usize),
            characters: cursor.bytes(8 * header.n_characters as usize).as_chunks().0,
            word_slots: cursor.words(header.n_word_slots as usize),
            added_ids: cursor.words(n_added),
            added_starts: cursor.words(n_added + 1),
            added_flags: cursor.words(n_added),
            prefix_ids: cursor.words(header.n_prefix as usize),
            suffix_ids: cursor.words(header.n_suffix as usize),
            token_bytes: cursor.bytes(header.n_token_bytes as usize),
            added_bytes: cursor.bytes(header.n_added_bytes as usize),
        };
        if cursor.short || !cursor.rest.is_empty() {
            return Err(TokenizerError::WrongLength { need: cursor.taken, have: section.len() });
        }
        tables.check()?;
        Ok(tables)
    }

    fn check(&self) -> Result<(), TokenizerError> {
        check_starts("token_starts", self.token_starts, self.token_bytes.len())?;
        check_starts("merge_starts", self.merge_starts, self.merge_pairs.len())?;
        check_starts("added_starts", self.added_starts, self.added_bytes.len())?;
        self.check_ids("byte_ids", self.byte_ids, true)?;
        self.check_ids("merge_ids", self.merge_ids, false)?;
        self.check_ids("word_slots", self.word_slots, true)?;
        self.check_ids("added_ids", self.added_ids, false)?;
        self.check_ids("prefix_ids", self.prefix_ids, false)?;
        self.check_ids("suffix_ids", self.suffix_ids, false)?;
        self.check_merges()?;
        self.check_characters()?;
        self.check_added()?;
        let last = self.special_bits.len() - 1;
        let used = self.header.n_tokens % 32;
        if used != 0 && value(self.special_bits[last]) >> used != 0 {
            return Err(TokenizerError::UnknownFlag { table: "special_bits", index: last });
        }
        Ok(())
    }

    fn check_ids(&self, table: &'static str, ids: &[Word], may_be_none: bool) -> Result<(), TokenizerError> {
        let is_valid = |id| id < self.header.n_tokens || (may_be_none && id == NONE);
        match ids.iter().position(|id| !is_valid(value(*id))) {
            Some(index) => Err(TokenizerError::IdOutOfRange { table, index, found: value(ids[index]) }),
            None => Ok(()),
        }
    }

    fn check_merges(&self) -> Result<(), TokenizerError> {
        for starts in self.merge_starts.windows(2) {
            let first = value(starts[0]) as usize;
            let mut previous = None;
            for (index, pair) in (first..).zip(&self.merge_pairs[first..value(starts[1]) as usize]) {
                let (right, rank) = pair_value(*pair);
                if right >= self.header.n_tokens {
                    return Err(TokenizerError::IdOutOfRange { table: "merge_pairs", index, found: right });
                }
                if rank >= self.header.n_ranks {
                    return Err(TokenizerError::RankOutOfRange { index, found: rank });
                }
                if previous.is_some_and(|previous| previous >= right) {
                    return Err(TokenizerError::MergeOrder { index });
                }
                previous = Some(right);
            }
        }
        Ok(())
    }

    fn check_characters(&self) -> Result<(), TokenizerError> {
        let mut previous = None;
        for (index, pair) in self.characters.iter().enumerate() {
            let (code_point, id) = pair_value(*pair);
            if char::from_u32(code_point).is_none() || previous.is_some_and(|previous| previous >= code_point)
            {
                return Err(TokenizerError::BadCharacter { index });
            }
            if id >= self.header.n_tokens {
                return Err(TokenizerError::IdOutOfRange { table: "characters", index, found: id });
            }
            previous = Some(code_point);
        }
        Ok(())
    }

    fn check_added(&self) -> Result<(), TokenizerError> {
        // Tokens looked for behind a space put in front neither strip nor stand alone.
        let second_pass_flags = match self.header.kind {
            Kind::SentencePiece(settings) if settings.second_pass_sees_prefix => ADDED_SECOND_PASS,
            Kind::SentencePiece(_) | Kind::ByteLevel(..) => ADDED_FLAGS,
        };
        let mut previous: &[u8] = &[];
        for (index, flags) in self.added_flags.iter().enumerate() {
            let bytes = span(self.added_starts, self.added_bytes, index);
            let is_long = bytes.len() > MAX_ADDED_TOKEN_BYTES as usize;
            if bytes.is_empty() || is_long || core::str::from_utf8(bytes).is_err() {
                return Err(TokenizerError::BadAddedToken { index });
            }
            if previous >= bytes {
                return Err(TokenizerError::AddedOrder { index });
            }
            let flags = value(*flags);
            let known = if flags & ADDED_SECOND_PASS == 0 { ADDED_FLAGS } else { second_pass_flags };
            if flags & !known != 0 {
                return Err(TokenizerError::UnknownFlag { table: "added_flags", index });
            }
            previous = bytes;
        }
        Ok(())
    }
}

/// Starts ascend from 0 to `end`.
fn check_starts(table: &'static str, starts: &[Word], end: usize) -> Result<(), TokenizerError> {
    let mut previous = 0;
    for (index, start) in starts.iter().enumerate() {
        let start = value(*start) as usize;
        if start < previous || start > end || (index == 0 && start != 0) {
            return Err(TokenizerError::BadStarts { table, index });
        }
        previous = start;
    }
    if previous == end { Ok(()) } else { Err(TokenizerError::BadStarts { table, index: starts.len() - 1 }) }
}

/// Takes arrays front to back, and counts what they need even when the section is too short.
struct Cursor<'a> {
    rest: &'a [u8],
    taken: usize,
    short: bool,
}

impl<'a> Cursor<'a> {
    fn bytes(&mut self, n: usize) -> &'a [u8] {
        self.taken += n;
        match self.rest.split_at_checked(n) {
            Some((bytes, rest)) => {
                self.rest = rest;
                bytes
            }
            None => {
                self.short = true;
                &[]
            }
        }
    }

    fn words(&mut self, n: usize) -> &'a [Word] {
        self.bytes(4 * n).as_chunks().0
    }
}
