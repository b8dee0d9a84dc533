//! Drafts by prompt look-up: what followed the latest ids the last time they stood there
//!
//! Text repeats itself: names, code, quotes of the question. The longest run of ids that ends the conversation and stood
//! in it before is found, the ids that followed it then are run in one pass behind the one that is due, and each of them
//! is taken only if the sampler draws it. The weights are read once for all of them, and nothing changes but the time:
//! m rows give the bits of m single rows, and draws depend on seed and position alone. No index is kept: a search looks
//! at [`WINDOW`] positions at most, microseconds beside a pass over the weights. No draft model, no tree of drafts.
//!
//! Source: prompt lookup decoding (A. Saxena, 2023), a draft for speculative decoding (arXiv:2211.17192), here with a
//! sampler whose draw is one number, so that verification is comparing ids.

use core::fmt;

/// Rows of a pass with a draft: the id that is due and at most seven guesses. A guess beyond that is rarely right, and
/// the columns of eight rows still share one decoding of the weights.
pub const LOOKUP_ROWS: u32 = 8;

/// Guesses of a pass.
pub(super) const MAX_DRAFT: usize = LOOKUP_ROWS as usize - 1;

/// The latest positions that a search looks at.
const WINDOW: usize = 4096;

/// Ids that must be equal for a guess: one alone says too little.
const MIN_MATCH: usize = 2;

/// The most ids that are compared at a position; a run of this length ends the search.
const MAX_MATCH: usize = 8;

/// Guessed ids, in order.
pub(super) type Draft = heapless::Vec<u32, MAX_DRAFT>;

/// Look-up asked of a session that was planned without room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupError {
    /// Rows of a pass that may want logits: the lesser of the plan's `max_logit_rows` and `max_batch`.
    pub n_rows: u32,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "look-up needs a session planned for logits of at least 2 rows a pass (better {LOOKUP_ROWS}), \
             this one has {}: start with --lookup",
            self.n_rows
        )
    }
}

impl core::error::Error for LookupError {}

/// Passes and tokens of decoding since the session opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecodeCounts {
    /// Passes over the weights.
    pub n_passes: u64,
    /// Tokens that these passes appended.
    pub n_tokens: u64,
}

impl DecodeCounts {
    /// Tokens per pass: 1 without look-up, and where nothing was decoded.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53, shown with a few digits")]
    pub fn tokens_per_pass(&self) -> f64 {
        if self.n_passes == 0 { 1.0 } else { self.n_tokens as f64 / self.n_passes as f64 }
    }

    /// What was counted after `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self { n_passes: self.n_passes - earlier.n_passes, n_tokens: self.n_tokens - earlier.n_tokens }
    }
}

/// The guesses of the latest pass and what became of them.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    pub(super) is_on: bool,
    /// Guesses whose rows are in the cache behind what was appended.
    pub(super) draft: Draft,
    /// How many of them have been appended since: also the latest pass's row of logits that is due.
    pub(super) n_taken: usize,
    pub(super) counts: DecodeCounts,
}

impl Lookup {
    /// Rows in the cache beyond what was appended.
    pub(super) fn n_ahead(&self) -> u32 {
        // At most MAX_DRAFT.
        u32::try_from(self.draft.len() - self.n_taken).unwrap_or(0)
    }

    /// Whether `token_id` is the next guess, whose row then counts as appended.
    pub(super) fn takes(&mut self, token_id: u32) -> bool {
        let is_next = self.draft.get(self.n_taken) == Some(&token_id);
        self.n_taken += usize::from(is_next);
        is_next
    }

    /// Guesses for what follows `ids` and then `last`, at most `room`.
    pub(super) fn guess(&self, ids: &[u32], last: u32, room: usize) -> Draft {
        let mut draft = Draft::new();
        if !self.is_on || room == 0 {
            return draft;
        }
        let Some((start, n_equal)) = latest_run(ids, last) else { return draft };
        // A long run deserves trust, and so does what was right a moment ago.
        let n = (n_equal - 1).max(2 * self.n_taken).min(MAX_DRAFT).min(room);
        for i in start..start + n {
            // A repeat may overlap its own continuation.
            let id = match i.checked_sub(ids.len()) {
                None => ids[i],
                Some(0) => last,
                Some(beyond) => draft[beyond - 1],
            };
            // Room was checked above.
            let pushed = draft.push(id);
            debug_assert!(pushed.is_ok());
        }
        draft
    }
}

/// Where the longest run of ids stopped that ends `ids` and `last` and stood there before, and its length; of equal ones
/// the latest. Looks at [`WINDOW`] positions, at each at up to [`MAX_MATCH`] ids.
fn latest_run(ids: &[u32], last: u32) -> Option<(usize, usize)> {
    let mut best = None;
    let mut longest = MIN_MATCH - 1;
    for end in (ids.len().saturating_sub(WINDOW)..ids.len()).rev() {
        if ids[end] != last {
            continue;
        }
        let before = ids[..end].iter().rev().zip(ids.iter().rev());
        let n_equal = 1 + before.take(MAX_MATCH - 1).take_while(|(a, b)| a == b).count();
        if n_equal > longest {
            (longest, best) = (n_equal, Some((end + 1, n_equal)));
            if n_equal == MAX_MATCH {
                break;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Guesses behind `ids`, the last of which is due, after `n_taken` right ones.
    fn guess(ids: &[u32], n_taken: usize, room: usize) -> Vec<u32> {
        let (last, ids) = ids.split_last().unwrap();
        let lookup = Lookup { is_on: true, n_taken, ..Lookup::default() };
        lookup.guess(ids, *last, room).to_vec()
    }

    #[test]
    fn the_longest_run_wins_and_of_equal_ones_the_latest() {
        struct Case {
            ids: &'static [u32],
            expected: Option<(usize, usize)>,
        }
        let cases = [
            Case { ids: &[1], expected: None },
            Case { ids: &[1, 1], expected: None },
            Case { ids: &[5, 1, 7, 1], expected: None },
            Case { ids: &[1, 2, 9, 1, 2], expected: Some((2, 2)) },
            Case { ids: &[1, 2, 8, 1, 2, 9, 1, 2], expected: Some((5, 2)) },
            Case { ids: &[7, 1, 2, 8, 1, 2, 9, 7, 1, 2], expected: Some((3, 3)) },
            Case { ids: &[1, 1, 1, 1], expected: Some((3, 3)) },
        ];
        for case in cases {
            let (last, ids) = case.ids.split_last().unwrap();
            assert_eq!(latest_run(ids, *last), case.expected, "{:?}", case.ids);
        }
    }

    #[test]
    fn a_draft_is_as_long_as_trust_and_room_allow() {
        let ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2];
        assert_eq!(guess(&ids, 0, 7), [3]);
        assert_eq!(guess(&ids, 2, 7), [3, 4, 5, 6]);
        assert_eq!(guess(&ids, 7, 7), [3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(guess(&ids, 7, 2), [3, 4]);
        assert_eq!(guess(&ids, 7, 0), []);
    }

    #[test]
    fn a_repeat_goes_on_beyond_its_own_end() {
        assert_eq!(guess(&[3, 1, 2, 1, 2, 1, 2], 7, 7), [1, 2, 1, 2, 1, 2, 1]);
        assert_eq!(guess(&[4, 4, 4], 7, 7), [4; 7]);
    }

    #[test]
    fn what_lies_beyond_the_window_is_not_seen() {
        let mut ids = std::vec![1, 2];
        ids.extend((10..).take(WINDOW));
        ids.extend([1, 2]);
        assert_eq!(guess(&ids, 7, 7), []);
        ids.drain(2..10);
        assert_eq!(guess(&ids, 1, 7), [18, 19]);
    }

    #[test]
    fn only_the_next_guess_is_taken() {
        let mut lookup = Lookup { draft: Draft::from_slice(&[5, 6]).unwrap(), ..Lookup::default() };
        assert!(!lookup.takes(6) && lookup.takes(5) && !lookup.takes(5));
        assert_eq!(lookup.n_ahead(), 1);
        assert!(lookup.takes(6) && !lookup.takes(6));
        assert_eq!(lookup.n_ahead(), 0);
    }
}
