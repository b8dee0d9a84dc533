//! A node with its parents: addresses as the CPU sees them

use core::ops::Range;

use super::{MAX_DEPTH, Node, word};

/// A stretch of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub address: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl Region {
    /// The addresses; cut off at the end of the address space.
    #[must_use]
    pub fn range(self) -> Range<u64> {
        self.address..self.address.saturating_add(self.bytes)
    }
}

/// The nodes from the root down to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePath<'a> {
    root: Node<'a>,
    below: heapless::Vec<Node<'a>, MAX_DEPTH>,
}

impl<'a> NodePath<'a> {
    pub(super) fn new(root: Node<'a>) -> Self {
        Self { root, below: heapless::Vec::new() }
    }

    pub(super) fn push(&mut self, node: Node<'a>) -> Option<()> {
        self.below.push(node).ok()
    }

    pub(super) fn pop(&mut self) {
        self.below.pop();
    }

    /// The node at the end of the path.
    #[must_use]
    pub fn node(&self) -> Node<'a> {
        self.ancestor(self.below.len())
    }

    /// Name of the node above; `None` for the root.
    #[must_use]
    pub fn parent_name(&self) -> Option<&'a str> {
        Some(self.ancestor(self.below.len().checked_sub(1)?).name())
    }

    /// Levels below the root; 0 is the root itself.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.below.len()
    }

    /// The node `depth` levels below the root.
    fn ancestor(&self, depth: usize) -> Node<'a> {
        depth.checked_sub(1).and_then(|i| self.below.get(i)).copied().unwrap_or(self.root)
    }

    /// True if the node and all its parents are enabled.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.root.is_enabled() && self.below.iter().all(Node::is_enabled)
    }

    /// Entry `index` of `reg`, as a physical address: translated through the `ranges` of every bus
    /// above. `None` if there is no such entry or a bus does not map it.
    #[must_use]
    pub fn reg(&self, index: usize) -> Option<Region> {
        let bus_depth = self.below.len().checked_sub(1)?;
        let bus = self.ancestor(bus_depth);
        let address_words = cells(bus.address_cells())?;
        let size_words = cells(bus.size_cells())?;
        let entry_bytes = (address_words + size_words) * 4;
        let entry = self.node().property("reg")?.chunks_exact(entry_bytes.max(4)).nth(index)?;
        let region = Region {
            address: read(entry, 0, address_words)?,
            bytes: read(entry, address_words, size_words)?,
        };
        let address = self.to_parent_bus(region, bus_depth)?;
        Some(Region { address, ..region })
    }

    /// Carries an address on the bus at `bus_depth` up to the root.
    fn to_parent_bus(&self, region: Region, bus_depth: usize) -> Option<u64> {
        let mut address = region.address;
        for depth in (1..=bus_depth).rev() {
            let bus = self.ancestor(depth);
            let child_words = cells(bus.address_cells())?;
            let parent_words = cells(self.ancestor(depth - 1).address_cells())?;
            let size_words = cells(bus.size_cells())?;
            let map = bus.property("ranges")?;
            if map.is_empty() {
                continue;
            }
            let entry_bytes = (child_words + parent_words + size_words) * 4;
            address = map.chunks_exact(entry_bytes.max(4)).find_map(|entry| {
                let child = read(entry, 0, child_words)?;
                let parent = read(entry, child_words, parent_words)?;
                let window = read(entry, child_words + parent_words, size_words)?;
                let offset = address.checked_sub(child)?;
                let is_inside = offset.checked_add(region.bytes).is_some_and(|end| end <= window);
                is_inside.then(|| parent.checked_add(offset)).flatten()
            })?;
        }
        Some(address)
    }
}

/// Words of an address or a size: 0 to 3. (PCI buses use 3; the first word holds flags.)
fn cells(count: u64) -> Option<usize> {
    usize::try_from(count).ok().filter(|&count| count <= 3)
}

/// A number of `n_words` words at word `start`; of three words the last two count.
fn read(entry: &[u8], start: usize, n_words: usize) -> Option<u64> {
    let mut value = 0_u64;
    for i in 0..n_words {
        value = (value << 32) | u64::from(word(entry, (start + i) * 4)?);
    }
    Some(value)
}
