//! A binary min-heap over a borrowed slice
//!
//! `heapless` and `alloc` heaps own their storage; this one works in the caller's scratch, whose size depends on the
//! word.

/// What waits: rank, then place; ordered as arrays are.
pub(super) type Entry = [u32; 2];

/// The least entry first.
pub(super) struct Queue<'s> {
    entries: &'s mut [Entry],
    len: usize,
}

impl<'s> Queue<'s> {
    /// An empty queue with room for `entries.len()` entries.
    pub(super) fn new(entries: &'s mut [Entry]) -> Self {
        Self { entries, len: 0 }
    }

    /// Adds an entry.
    ///
    /// # Panics
    /// If there is no room: the caller proves that there is.
    pub(super) fn push(&mut self, entry: Entry) {
        let mut at = self.len;
        self.len += 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.entries[parent] <= entry {
                break;
            }
            self.entries[at] = self.entries[parent];
            at = parent;
        }
        self.entries[at] = entry;
    }

    /// Takes the least entry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.len = self.len.checked_sub(1)?;
        let entries = &mut self.entries[..=self.len];
        let least = entries[0];
        let last = entries[self.len];
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= self.len {
                break;
            }
            let right = left + 1;
            let child = if right < self.len && entries[right] < entries[left] { right } else { left };
            if last <= entries[child] {
                break;
            }
            entries[at] = entries[child];
            at = child;
        }
        entries[at] = last;
        Some(least)
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn entries_leave_in_ascending_order() {
        let mut room = [[0; 2]; 251];
        let mut queue = Queue::new(&mut room);
        for i in 0..251u32 {
            queue.push([i * 97 % 251 / 3, i * 31 % 7]);
        }
        let mut previous = [0; 2];
        for _ in 0..251 {
            let entry = queue.pop().unwrap();
            assert!(previous <= entry);
            previous = entry;
        }
        assert_eq!(queue.pop(), None);
    }
}
