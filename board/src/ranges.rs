//! Sets of physical addresses
//!
//! Memory is what the device tree lists, minus what somebody already owns. A [`Ranges`] holds such
//! a set in a fixed number of pieces. When a hostile or very fragmented tree would need more, the
//! set loses addresses and never gains any: less memory is used, nobody's memory is taken.

use core::ops::Range;

/// Most pieces in one set.
pub(crate) const MAX_RANGES: usize = 32;

/// Disjoint, non-empty, half-open address ranges in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    pieces: heapless::Vec<Range<u64>, MAX_RANGES>,
}

impl Ranges {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { pieces: heapless::Vec::new() }
    }

    /// Adds `range`, merging it with pieces that it touches. Does nothing if the set is full.
    pub fn insert(&mut self, range: Range<u64>) {
        let mut merged = range;
        if merged.is_empty() {
            return;
        }
        let mut kept = Self::new();
        for piece in &self.pieces {
            if piece.end < merged.start || merged.end < piece.start {
                kept.push(piece.clone());
            } else {
                merged = merged.start.min(piece.start)..merged.end.max(piece.end);
            }
        }
        if kept.pieces.is_full() {
            return;
        }
        let at = kept.pieces.iter().position(|piece| piece.start > merged.start).unwrap_or(kept.pieces.len());
        // Cannot fail: there is room and `at` is within the list.
        let _ = kept.pieces.insert(at, merged);
        *self = kept;
    }

    /// Takes `range` out. Where a piece would split and the set is full, the smaller part goes too.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let mut kept = Self::new();
        let n_pieces = self.pieces.len();
        for (i, piece) in self.pieces.iter().enumerate() {
            let below = piece.start..piece.end.min(range.start);
            let above = piece.start.max(range.end)..piece.end;
            let n_left = n_pieces - 1 - i;
            let has_room_for_two = kept.pieces.len() + n_left + 2 <= MAX_RANGES;
            match (below.is_empty(), above.is_empty()) {
                (false, false) if has_room_for_two => {
                    kept.push(below);
                    kept.push(above);
                }
                (false, false) if below.end - below.start < above.end - above.start => kept.push(above),
                (false, _) => kept.push(below),
                (true, false) => kept.push(above),
                (true, true) => {}
            }
        }
        *self = kept;
    }

    /// Keeps only what `other` holds too.
    pub fn keep_within(&mut self, other: &Self) {
        let mut kept = Self::new();
        for mine in &self.pieces {
            for theirs in &other.pieces {
                let both = mine.start.max(theirs.start)..mine.end.min(theirs.end);
                if !both.is_empty() {
                    kept.push(both);
                }
            }
        }
        *self = kept;
    }

    /// True if every address of `range` is in the set (an empty range always is).
    #[must_use]
    pub fn contains(&self, range: &Range<u64>) -> bool {
        range.is_empty()
            || self.pieces.iter().any(|piece| piece.start <= range.start && range.end <= piece.end)
    }

    /// True if some address of `range` is in the set.
    #[must_use]
    pub fn intersects(&self, range: &Range<u64>) -> bool {
        !range.is_empty()
            && self.pieces.iter().any(|piece| piece.start < range.end && range.start < piece.end)
    }

    /// The largest piece; the first of equals.
    #[must_use]
    pub fn largest(&self) -> Option<Range<u64>> {
        self.pieces.iter().rev().max_by_key(|piece| piece.end - piece.start).cloned()
    }

    /// Number of addresses in the set.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.end - piece.start).fold(0, u64::saturating_add)
    }

    /// The pieces in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.pieces.iter().cloned()
    }

    fn push(&mut self, range: Range<u64>) {
        // Callers count the room first; a full list loses the range, which the set allows.
        let _ = self.pieces.push(range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn set(pieces: &[Range<u64>]) -> Ranges {
        let mut ranges = Ranges::new();
        for piece in pieces {
            ranges.insert(piece.clone());
        }
        ranges
    }

    #[test]
    fn insertion_sorts_and_merges_what_touches() {
        let ranges = set(&[30..40, 10..20, 20..25, 38..50, 7..7]);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [10..25, 30..50]);
        assert_eq!(ranges.total_bytes(), 35);
        assert_eq!(ranges.largest(), Some(30..50));
    }

    #[test]
    fn removal_cuts_splits_and_swallows() {
        let mut ranges = set(&[0..100, 200..300]);
        ranges.remove(40..60);
        ranges.remove(190..210);
        ranges.remove(0..10);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [10..40, 60..100, 210..300]);
        ranges.remove(0..1000);
        assert_eq!(ranges, Ranges::new());
    }

    #[test]
    fn membership_is_exact_at_the_edges() {
        let ranges = set(&[10..15, 15..20]);
        assert!(ranges.contains(&(10..20)) && !ranges.contains(&(9..20)) && !ranges.contains(&(10..21)));
        assert!(ranges.intersects(&(0..11)) && !ranges.intersects(&(0..10)) && !ranges.intersects(&(20..30)));
        assert!(ranges.contains(&(5..5)) && !ranges.intersects(&(15..15)));
    }

    #[test]
    fn what_another_set_lacks_goes_even_when_both_are_full() {
        let mut ranges = set(&[0..10, 20..30, 40..50]);
        ranges.keep_within(&set(&[5..25, 45..46, 47..60]));
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [5..10, 20..25, 45..46, 47..50]);
        let (mut free, mut mapped) = (Ranges::new(), Ranges::new());
        for i in 0..MAX_RANGES as u64 {
            free.insert(i * 100..i * 100 + 50);
            mapped.insert(i * 100 + 10..i * 100 + 40);
        }
        free.keep_within(&mapped);
        assert_eq!(free, mapped);
        // More pieces than fit: some are lost, and none is kept that only one set holds.
        let mut all = set(&[0..1000, 1001..4000]);
        all.keep_within(&mapped);
        assert!(all.iter().all(|piece| mapped.contains(&piece)));
    }

    #[test]
    fn a_full_set_only_ever_loses_addresses() {
        let mut ranges = Ranges::new();
        for i in 0..MAX_RANGES as u64 {
            ranges.insert(i * 100..i * 100 + 50);
        }
        ranges.insert(1_000_000..1_000_001);
        assert!(!ranges.contains(&(1_000_000..1_000_001)));
        // The split of the first piece has no room: its larger part stays.
        ranges.remove(10..12);
        assert!(ranges.contains(&(12..50)) && !ranges.intersects(&(0..12)));
        assert!(ranges.contains(&(3100..3150)));
    }
}
