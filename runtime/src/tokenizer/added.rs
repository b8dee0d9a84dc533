//! Tokens that are recognised in raw text, before any splitting
//!
//! Matches are leftmost, then longest, and do not overlap: the rule of the Aho-Corasick automaton in the `tokenizers`
//! crate. Here it is a walk down the sorted table that narrows the range of tokens byte by byte; most positions end at
//! the bitmap of first bytes. Tokens are at most 512 bytes long, so a hostile text costs O(n), not O(n²).
//!
//! Two passes: tokens with `normalized = false` on the whole text, the others on what is left. A token may swallow the
//! white space before or after it, and may ask to stand alone as a word.

use super::encode::Specials;
use super::layout::{ADDED_LSTRIP, ADDED_RSTRIP, ADDED_SECOND_PASS, ADDED_SINGLE_WORD};
use super::sentencepiece::Stretch;
use super::tables::{Tables, Word, span, value};
use super::unicode::{Class, class, is_word};

/// A stretch of text, or a token that was recognised in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text without tokens, to be split into words; not empty.
    Text(&'t str),
    /// A recognised token.
    Token(u32),
}

/// The added tokens of one pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct AddedTokens<'a> {
    ids: &'a [Word],
    starts: &'a [Word],
    flags: &'a [Word],
    bytes: &'a [u8],
    special_bits: &'a [Word],
    pass: u32,
    first_bytes: [u64; 4],
}

impl<'a> AddedTokens<'a> {
    /// The tokens whose flags select `pass` (0 or [`ADDED_SECOND_PASS`]).
    pub(super) fn new(tables: &Tables<'a>, pass: u32) -> Self {
        let mut tokens = Self {
            ids: tables.added_ids,
            starts: tables.added_starts,
            flags: tables.added_flags,
            bytes: tables.added_bytes,
            special_bits: tables.special_bits,
            pass,
            first_bytes: [0; 4],
        };
        for index in 0..tokens.ids.len() {
            if tokens.is_of_pass(index) {
                let first = tokens.content(index)[0];
                tokens.first_bytes[usize::from(first >> 6)] |= 1 << (first & 63);
            }
        }
        tokens
    }

    /// Cuts `text` into pieces that tile it; special tokens stay text when `specials` says so.
    pub(super) fn pieces<'t>(&self, text: &'t str, specials: Specials) -> Pieces<'a, 't> {
        Pieces { tokens: *self, specials, text, start: 0, at: 0, found: None, spaces_end: 0 }
    }

    /// The first token in a `stretch`, with what stands before and after it. Tokens that are looked for so have no flags
    /// of white space or words.
    pub(super) fn first_in<'t>(
        &self,
        stretch: Stretch<'t>,
        specials: Specials,
    ) -> Option<(Stretch<'t>, u32, Stretch<'t>)> {
        let mut tail = stretch;
        while !tail.is_empty() {
            let Some((index, length)) = self.longest_match(tail.bytes()) else {
                tail = tail.after_first();
                continue;
            };
            let (id, after) = (value(self.ids[index]), tail.after(length));
            if specials == Specials::Recognise || !is_special(self.special_bits, id) {
                return Some((stretch.before(tail), id, after));
            }
            // Its bytes are text, and no other token is looked for inside it.
            tail = after;
        }
        None
    }

    /// The token whose content is exactly `text`, of any pass.
    pub(super) fn find(&self, text: impl Iterator<Item = u8> + Clone) -> Option<u32> {
        let content = |index| self.content(index).iter().copied();
        let index = partition_point(0, self.ids.len(), |index| content(index).lt(text.clone()));
        (index < self.ids.len() && content(index).eq(text)).then(|| value(self.ids[index]))
    }

    /// The longest token that `text` starts with: its index and length.
    fn longest_match(&self, text: impl Iterator<Item = u8> + Clone) -> Option<(usize, usize)> {
        let first = text.clone().next()?;
        if self.first_bytes[usize::from(first >> 6)] >> (first & 63) & 1 == 0 {
            return None;
        }
        // Tokens in first..end start with the `depth` bytes seen; the shortest of them is the first.
        let (mut first, mut end) = (0, self.ids.len());
        let mut longest = None;
        for (depth, byte) in (1..).zip(text) {
            let byte_at = |index: usize| self.content(index)[depth - 1];
            first = partition_point(first, end, |index| byte_at(index) < byte);
            end = partition_point(first, end, |index| byte_at(index) <= byte);
            if first < end && self.content(first).len() == depth {
                if self.is_of_pass(first) {
                    longest = Some((first, depth));
                }
                first += 1;
            }
            if first == end {
                break;
            }
        }
        longest
    }

    fn content(&self, index: usize) -> &'a [u8] {
        span(self.starts, self.bytes, index)
    }

    fn is_of_pass(&self, index: usize) -> bool {
        value(self.flags[index]) & ADDED_SECOND_PASS == self.pass
    }

    fn has(&self, index: usize, flag: u32) -> bool {
        value(self.flags[index]) & flag != 0
    }
}

/// Whether `id`, below the vocabulary's size, is special.
pub(super) fn is_special(special_bits: &[Word], id: u32) -> bool {
    value(special_bits[(id / 32) as usize]) >> (id % 32) & 1 == 1
}

/// The first index in `first..end` that is not `before`, which holds for a prefix of the range.
fn partition_point(mut first: usize, mut end: usize, before: impl Fn(usize) -> bool) -> usize {
    while first < end {
        let middle = first + (end - first) / 2;
        if before(middle) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    first
}

/// Iterator over the pieces of a text.
#[derive(Debug, Clone)]
pub(super) struct Pieces<'a, 't> {
    tokens: AddedTokens<'a>,
    specials: Specials,
    text: &'t str,
    /// Where the text begins that was not returned yet.
    start: usize,
    /// Where the next token is looked for: before `start` if the token before has swallowed white space.
    at: usize,
    /// A token already found, which the text before it was returned ahead of.
    found: Option<u32>,
    /// Where the white space ends that was swallowed last: a run is walked once, however many tokens lie in it.
    spaces_end: usize,
}

impl<'t> Iterator for Pieces<'_, 't> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        if let Some(id) = self.found.take() {
            return Some(Piece::Token(id));
        }
        while self.at < self.text.len() {
            let ahead = self.text.as_bytes()[self.at..].iter().copied();
            let Some((index, length)) = self.tokens.longest_match(ahead) else {
                self.at += 1;
                continue;
            };
            // Contents are whole UTF-8 strings, so a match starts and ends between characters. No other token is looked
            // for inside it, even if it is not taken.
            let (at, end) = (self.at, self.at + length);
            self.at = end;
            let id = value(self.tokens.ids[index]);
            if !self.is_taken(index, id, at, end) {
                continue;
            }
            let (token_start, token_end) = (self.strip_left(index, at), self.strip_right(index, end));
            let text = self.text.get(self.start..token_start).unwrap_or_default();
            self.start = token_end;
            // A token inside white space that the one before has swallowed vanishes.
            let token = (token_start < token_end).then_some(id);
            if !text.is_empty() {
                self.found = token;
                return Some(Piece::Text(text));
            }
            if let Some(id) = token {
                return Some(Piece::Token(id));
            }
        }
        let text = self.text.get(self.start..).unwrap_or_default();
        self.start = self.text.len();
        (!text.is_empty()).then_some(Piece::Text(text))
    }
}

impl Pieces<'_, '_> {
    /// Whether the match at `at..end` counts.
    fn is_taken(&self, index: usize, id: u32, at: usize, end: usize) -> bool {
        if self.specials == Specials::AsText && is_special(self.tokens.special_bits, id) {
            return false;
        }
        if !self.tokens.has(index, ADDED_SINGLE_WORD) {
            return true;
        }
        let (before, after) = (self.text[..at].chars().next_back(), self.text[end..].chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    }

    /// Where the token starts that matches at `at`: before the white space, as far as no other token has it.
    fn strip_left(&self, index: usize, at: usize) -> usize {
        if !self.tokens.has(index, ADDED_LSTRIP) {
            return at;
        }
        let open = self.text.get(self.start..at).unwrap_or_default();
        self.start.max(at - open.len() + open.trim_end_matches(is_space).len())
    }

    /// Where the token ends whose match ends at `end`: after the white space.
    fn strip_right(&mut self, index: usize, end: usize) -> usize {
        if !self.tokens.has(index, ADDED_RSTRIP) {
            return end;
        }
        if self.spaces_end < end {
            let after = &self.text[end..];
            self.spaces_end = self.text.len() - after.trim_start_matches(is_space).len();
        }
        self.spaces_end
    }
}

fn is_space(c: char) -> bool {
    class(c) == Class::Space
}
