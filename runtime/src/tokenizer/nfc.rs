//! Canonical composition (NFC) into a borrowed buffer
//!
//! Text is normalised in segments that begin at a starter which nothing before can change. Almost all segments are seen
//! to be in normal form by their characters' classes alone and are copied; the others are decomposed, put in canonical
//! order and composed again. A text that is in normal form throughout is used where it lies.
//!
//! Marks are put in order without a buffer: a run of them is walked once for each combining class that occurs in it, of
//! which there are some fifty, so that a hostile run costs O(n). The tables, about 60 KB that `build.rs` generates, have
//! the Unicode version of the crate that `tokenizers` normalises with (9.0), and text comes out as that crate makes it.
//! Source: Unicode Standard Annex #15, sections 1.3, 9 and 16; Hangul: the Unicode Standard, section 3.12.

use core::str::Chars;

include!(concat!(env!("OUT_DIR"), "/nfc_tables.rs"));

/// The normal form needs more room than it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferFull;

/// A text's normal form has at most so many times its bytes.
pub const MAX_EXPANSION: usize = 3;

/// Whether `text` is seen to be in normal form by its characters' classes alone. A text in normal form for which they
/// cannot tell is doubted as well.
#[must_use]
pub fn is_normal(text: &str) -> bool {
    doubt(text).is_none()
}

/// Writes the normal form of `text` to the front of `out` and gives its length in bytes.
///
/// Allocates: no. Time: O(n) in the bytes of `text`.
///
/// # Errors
/// [`BufferFull`] if `out` is shorter than the normal form.
pub fn normalise(text: &str, out: &mut [u8]) -> Result<usize, BufferFull> {
    let mut out = Composer { out, len: 0, composee: None, last_rank: 0 };
    let mut rest = text;
    while let Some((start, end)) = doubt(rest) {
        out.copy(&rest[..start])?;
        out.segment(&rest[start..end])?;
        rest = &rest[end..];
    }
    out.copy(rest)?;
    Ok(out.len)
}

/// Where the first segment starts and ends that may not be in normal form.
fn doubt(text: &str) -> Option<(usize, usize)> {
    let mut start = 0;
    let mut last_rank = 0;
    let mut chars = text.char_indices();
    loop {
        let (at, c) = chars.next()?;
        let entry = entry(c);
        let rank = entry >> 1;
        if entry == BOUNDARY {
            start = at;
        } else if entry & ACTIVE != 0 || rank < last_rank {
            break;
        }
        last_rank = rank;
    }
    let end = chars.find(|(_, c)| entry(*c) == BOUNDARY).map_or(text.len(), |(at, _)| at);
    Some((start, end))
}

/// The entry of a starter that neither changes nor composes with a character before: a segment may begin there.
const BOUNDARY: u8 = 0;
/// Set in the entries of characters that may change or compose with one before; the other bits are the rank of the
/// combining class, 0 for starters.
const ACTIVE: u8 = 1;

fn entry(c: char) -> u8 {
    if c.is_ascii() {
        return BOUNDARY;
    }
    let code_point = c as usize;
    // Every char is below 0x110000, the end of the block table.
    NFC_BLOCKS[NFC_BLOCK_OF[code_point >> 8] as usize][code_point & 0xff]
}

/// The normal form as it grows.
struct Composer<'b> {
    out: &'b mut [u8],
    len: usize,
    /// The last starter, which may still compose, and where it lies in `out`.
    composee: Option<(char, usize)>,
    /// The rank of the last mark written after it; 0 for none.
    last_rank: u8,
}

impl Composer<'_> {
    /// Adds text in normal form that ends before a boundary.
    fn copy(&mut self, text: &str) -> Result<(), BufferFull> {
        let end = self.len + text.len();
        self.out.get_mut(self.len..end).ok_or(BufferFull)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }

    /// Adds the normal form of a segment.
    fn segment(&mut self, segment: &str) -> Result<(), BufferFull> {
        self.composee = None;
        self.last_rank = 0;
        let mut parts = Decomposition::new(segment);
        loop {
            // A run of marks: how many, of which ranks, and whether they are in order.
            let run = parts.clone();
            let (mut n_marks, mut ranks, mut last_rank, mut is_ordered) = (0, 0u64, 0, true);
            let starter = loop {
                match parts.next() {
                    Some((_, rank)) if rank > 0 => {
                        n_marks += 1;
                        ranks |= 1 << rank;
                        is_ordered &= last_rank <= rank;
                        last_rank = rank;
                    }
                    other => break other,
                }
            };
            let marks = || run.clone().take(n_marks);
            if is_ordered {
                marks().try_for_each(|(c, rank)| self.push(c, rank))?;
            } else {
                while ranks != 0 {
                    let least = ranks.trailing_zeros();
                    ranks &= ranks - 1;
                    let mut of_rank = marks().filter(|(_, rank)| u32::from(*rank) == least);
                    of_rank.try_for_each(|(c, rank)| self.push(c, rank))?;
                }
            }
            let Some((c, rank)) = starter else { return Ok(()) };
            self.push(c, rank)?;
        }
    }

    /// Adds one part of a decomposition, in canonical order: composes it with the last starter or writes it.
    fn push(&mut self, c: char, rank: u8) -> Result<(), BufferFull> {
        // Blocked: a mark of the same or a higher class, or for a starter any mark, lies between.
        let is_blocked = self.last_rank > 0 && (rank == 0 || self.last_rank >= rank);
        if let Some((starter, at)) = self.composee
            && !is_blocked
            && let Some(composite) = compose(starter, c)
        {
            self.composee = Some((composite, at));
            return self.replace(at, starter.len_utf8(), composite);
        }
        if rank == 0 {
            self.composee = Some((c, self.len));
        }
        self.last_rank = rank;
        self.copy(c.encode_utf8(&mut [0; 4]))
    }

    /// Puts `c` where a character of `old_bytes` bytes lies. A starter composes three times at most, so that moving what
    /// lies behind it costs O(n).
    fn replace(&mut self, at: usize, old_bytes: usize, c: char) -> Result<(), BufferFull> {
        let (behind, bytes) = (at + old_bytes..self.len, c.len_utf8());
        let len = self.len - old_bytes + bytes;
        if len > self.out.len() {
            return Err(BufferFull);
        }
        self.out.copy_within(behind, at + bytes);
        c.encode_utf8(&mut self.out[at..at + bytes]);
        self.len = len;
        Ok(())
    }
}

/// Iterator over the full canonical decomposition of a text, in the text's order: characters and their ranks.
#[derive(Clone)]
struct Decomposition<'t> {
    chars: Chars<'t>,
    /// What is left of a decomposition from the table.
    parts: &'static [char],
    /// What is left of a Hangul syllable: vowel and trailing consonant.
    jamo: [Option<char>; 2],
}

impl<'t> Decomposition<'t> {
    fn new(text: &'t str) -> Self {
        Self { chars: text.chars(), parts: &[], jamo: [None; 2] }
    }

    fn next_char(&mut self) -> Option<char> {
        if let Some((first, parts)) = self.parts.split_first() {
            self.parts = parts;
            return Some(*first);
        }
        if let Some(jamo) = self.jamo[0].take() {
            self.jamo.swap(0, 1);
            return Some(jamo);
        }
        let c = self.chars.next()?;
        if let Some([leading, vowel, trailing]) = decompose_hangul(c) {
            self.jamo = [vowel, trailing];
            return leading;
        }
        match DECOMPOSED.binary_search_by_key(&c, |entry| entry.0) {
            Err(_) => Some(c),
            Ok(index) => {
                let start = usize::from(DECOMPOSED[index].1);
                let end = DECOMPOSED.get(index + 1).map_or(DECOMPOSITIONS.len(), |next| usize::from(next.1));
                self.parts = &DECOMPOSITIONS[start + 1..end];
                Some(DECOMPOSITIONS[start])
            }
        }
    }
}

impl Iterator for Decomposition<'_> {
    type Item = (char, u8);

    fn next(&mut self) -> Option<(char, u8)> {
        self.next_char().map(|c| (c, entry(c) >> 1))
    }
}

const SYLLABLES: u32 = 0xac00;
const LEADING: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
/// One before the first trailing consonant: 0 stands for none.
const TRAILING: u32 = 0x11a7;
const N_LEADING: u32 = 19;
const N_VOWELS: u32 = 21;
const N_TRAILING: u32 = 28;

/// The jamo of a Hangul syllable; without a trailing consonant the last is `None`.
fn decompose_hangul(c: char) -> Option<[Option<char>; 3]> {
    let index = u32::from(c).checked_sub(SYLLABLES).filter(|i| *i < N_LEADING * N_VOWELS * N_TRAILING)?;
    let trailing = index % N_TRAILING;
    Some([
        char::from_u32(LEADING + index / (N_VOWELS * N_TRAILING)),
        char::from_u32(VOWELS + index / N_TRAILING % N_VOWELS),
        if trailing == 0 { None } else { char::from_u32(TRAILING + trailing) },
    ])
}

/// The character that `first` and `second` compose to.
fn compose(first: char, second: char) -> Option<char> {
    let (a, b) = (u32::from(first), u32::from(second));
    if (VOWELS..VOWELS + N_VOWELS).contains(&b) && (LEADING..LEADING + N_LEADING).contains(&a) {
        return char::from_u32(SYLLABLES + ((a - LEADING) * N_VOWELS + b - VOWELS) * N_TRAILING);
    }
    if (TRAILING + 1..TRAILING + N_TRAILING).contains(&b)
        && (SYLLABLES..SYLLABLES + N_LEADING * N_VOWELS * N_TRAILING).contains(&a)
        && (a - SYLLABLES).is_multiple_of(N_TRAILING)
    {
        return char::from_u32(a + b - TRAILING);
    }
    let found = COMPOSED.binary_search_by_key(&(first, second), |entry| (entry.0, entry.1)).ok()?;
    Some(COMPOSED[found].2)
}
