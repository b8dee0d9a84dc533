//! Byte-pair merging of one word in O(n log n)
//!
//! The word starts as one symbol per byte, or per character ([`Characters`]), in a doubly linked list. A priority queue
//! holds the pairs of neighbours that have a merge, least rank first, then leftmost. Each step takes the first, checks
//! that it still stands, joins the two symbols and queues the two pairs that arise. n symbols make at most n - 1 joins,
//! and each queues at most one pair more than it takes, so 2n entries are enough.
//!
//! A queued pair stands as long as the neighbours at its place merge to the same token, even if they are other tokens
//! than when it was queued: the rule of the `tokenizers` crate, which ids follow to the letter.

mod characters;
mod merges;
mod queue;

pub(super) use characters::Characters;
pub(super) use merges::Merges;

use super::error::EncodeError;
use super::sentencepiece::Stretch;
use queue::{Entry, Queue};

/// Scratch per symbol in u32: a symbol of three, two queue entries of two.
const SCRATCH_PER_SYMBOL: usize = 7;

/// No neighbour.
const END: u32 = u32::MAX;
/// The id of a symbol that was joined to its left neighbour; ids are below 2²⁰.
const JOINED: u32 = u32::MAX;

/// One symbol of the word: token id, index of the symbol before, index of the symbol after.
type Symbol = [u32; 3];
const ID: usize = 0;
const PREVIOUS: usize = 1;
const NEXT: usize = 2;

/// Number of u32 that a word of `word_bytes` needs to be merged: a byte is one symbol at most, and so is the space that
/// SentencePiece puts in front.
#[must_use]
pub(super) const fn scratch_len(word_bytes: usize) -> usize {
    word_bytes.saturating_add(1).saturating_mul(SCRATCH_PER_SYMBOL)
}

/// Merges the bytes of one word and gives the ids to `out`, left to right. Bytes without a token vanish, as the
/// vocabulary demands.
///
/// Allocates: no. Time: O(n log n) for n bytes.
///
/// # Errors
/// [`EncodeError::ScratchTooSmall`] before anything is given to `out`; what `out` returns.
pub(super) fn encode_word(
    word: &[u8],
    merges: &Merges<'_>,
    scratch: &mut [u32],
    out: &mut dyn FnMut(u32) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let (symbols, queue) = room(word.len(), scratch)?;
    let mut n = 0;
    for id in word.iter().filter_map(|byte| merges.byte_id(*byte)) {
        symbols[n][ID] = id;
        n += 1;
    }
    merge(&mut symbols[..n], merges, queue, out)
}

/// Merges the characters of one word of a SentencePiece vocabulary; otherwise as [`encode_word`].
///
/// # Errors
/// As [`encode_word`].
pub(super) fn encode_characters(
    word: Stretch<'_>,
    characters: &Characters<'_>,
    merges: &Merges<'_>,
    scratch: &mut [u32],
    out: &mut dyn FnMut(u32) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let (symbols, queue) = room(word.text.len(), scratch)?;
    let mut n = 0;
    characters.symbols(word, |id| {
        symbols[n][ID] = id;
        n += 1;
    });
    merge(&mut symbols[..n], merges, queue, out)
}

/// Symbols and queue entries for a word of `word_bytes`, cut from `scratch`.
fn room(word_bytes: usize, scratch: &mut [u32]) -> Result<(&mut [Symbol], &mut [Entry]), EncodeError> {
    let need = scratch_len(word_bytes);
    // Symbol indices are u32 with the largest value taken by END.
    if need > scratch.len() || u32::try_from(word_bytes + 1).is_err() {
        return Err(EncodeError::ScratchTooSmall {
            need_bytes: need.saturating_mul(size_of::<u32>()),
            have_bytes: size_of_val(scratch),
        });
    }
    let (symbols, queue) = scratch[..need].split_at_mut(3 * (word_bytes + 1));
    Ok((symbols.as_chunks_mut().0, queue.as_chunks_mut().0))
}

/// Merges `symbols`, of which the ids are given, and gives `out` those that are left.
fn merge(
    symbols: &mut [Symbol],
    merges: &Merges<'_>,
    queue: &mut [Entry],
    out: &mut dyn FnMut(u32) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let (mut previous, n) = (END, symbols.len());
    for (place, symbol) in (0..).zip(symbols.iter_mut()) {
        let next = place + 1;
        symbol[PREVIOUS] = previous;
        symbol[NEXT] = if (next as usize) < n { next } else { END };
        previous = place;
    }
    let mut queue = Queue::new(queue);
    for (place, neighbours) in (0..).zip(symbols.windows(2)) {
        if let Some((rank, _)) = merges.get(neighbours[0][ID], neighbours[1][ID]) {
            queue.push([rank, place]);
        }
    }
    while let Some([rank, place]) = queue.pop() {
        join(symbols, merges, &mut queue, rank, place);
    }
    symbols.iter().filter(|symbol| symbol[ID] != JOINED).try_for_each(|symbol| out(symbol[ID]))
}

/// Joins the symbol at `place` with its right neighbour if the entry still stands, and queues the pairs that arise.
fn join(symbols: &mut [Symbol], merges: &Merges<'_>, queue: &mut Queue<'_>, rank: u32, place: u32) {
    let [left_id, previous, next] = symbols[place as usize];
    if left_id == JOINED || next == END {
        return;
    }
    let [right_id, _, after] = symbols[next as usize];
    let id = merges.merged_id(rank);
    if merges.get(left_id, right_id).is_none_or(|(_, stands)| stands != id) {
        return;
    }
    symbols[place as usize] = [id, previous, after];
    symbols[next as usize][ID] = JOINED;
    if previous != END
        && let Some((rank, _)) = merges.get(symbols[previous as usize][ID], id)
    {
        queue.push([rank, previous]);
    }
    if after != END {
        symbols[after as usize][PREVIOUS] = place;
        if let Some((rank, _)) = merges.get(id, symbols[after as usize][ID]) {
            queue.push([rank, place]);
        }
    }
}
