//! Flattened device trees, read in place
//!
//! [`DeviceTree::parse`] checks the whole structure once (header, block bounds, nesting, names);
//! afterwards every question has an answer or `None`, whatever the bytes hold: no panic, no
//! allocation, no recursion. Bus addresses are translated up the tree through `ranges`, and a node
//! counts only if it and all its parents are enabled.
//!
//! Not done: overlays, writing, phandle look-up, interrupts.
//!
//! Source: Devicetree Specification v0.4, chapters 2 (properties) and 5 (format).

mod node;
mod path;
mod token;

use core::fmt;

pub use node::Node;
pub use path::{NodePath, Region};
use token::{Token, Tokens};

/// Deepest nesting that is read; real trees stay below 10.
pub(crate) const MAX_DEPTH: usize = 16;

/// Largest tree: the boot protocol maps at most 2 MiB.
pub(crate) const MAX_TREE_BYTES: usize = 2 << 20;

const MAGIC: u32 = 0xd00d_feed;
const HEADER_BYTES: usize = 40;

/// Header fields: byte offset of each big-endian word.
mod field {
    pub(super) const MAGIC: usize = 0;
    pub(super) const TOTAL_SIZE: usize = 4;
    pub(super) const STRUCTURE_OFFSET: usize = 8;
    pub(super) const STRINGS_OFFSET: usize = 12;
    pub(super) const RESERVATIONS_OFFSET: usize = 16;
    pub(super) const VERSION: usize = 20;
    pub(super) const LAST_COMPATIBLE: usize = 24;
    pub(super) const STRINGS_SIZE: usize = 32;
    pub(super) const STRUCTURE_SIZE: usize = 36;
}

/// Why bytes are no device tree that we can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceTreeError {
    /// Fewer bytes than the header or its total size says.
    Short {
        /// Bytes needed.
        need: usize,
        /// Bytes given.
        have: usize,
    },
    /// The first word is not 0xd00dfeed.
    Magic {
        /// The word found.
        found: u32,
    },
    /// A layout other than version 17.
    Version {
        /// Version of the tree.
        version: u32,
        /// Oldest version that its layout is compatible with.
        last_compatible: u32,
    },
    /// A block lies outside the tree or is misaligned.
    Block {
        /// Offset of the block in bytes.
        offset: usize,
        /// Length of the block in bytes.
        length: usize,
    },
    /// The structure block breaks off, nests wrongly or holds an unknown token.
    Structure {
        /// Offset of the offending token within the structure block, in bytes.
        offset: usize,
    },
    /// Nodes nest deeper than 16 levels.
    Depth {
        /// Offset of the node that is too deep.
        offset: usize,
    },
}

impl fmt::Display for DeviceTreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { need, have } => write!(f, "device tree: expected {need} bytes, found {have}"),
            Self::Magic { found } => {
                write!(f, "device tree: expected magic {MAGIC:#010x}, found {found:#010x}")
            }
            Self::Version { version, last_compatible } => {
                write!(
                    f,
                    "device tree: expected version 17, found {version} (compatible down to {last_compatible})"
                )
            }
            Self::Block { offset, length } => {
                write!(f, "device tree: block of {length} bytes at {offset} is misplaced")
            }
            Self::Structure { offset } => write!(f, "device tree: malformed structure at offset {offset}"),
            Self::Depth { offset } => {
                write!(f, "device tree: nodes nest deeper than {MAX_DEPTH} at offset {offset}")
            }
        }
    }
}

impl core::error::Error for DeviceTreeError {}

/// A checked tree that borrows its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceTree<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    reservations: &'a [u8],
}

impl<'a> DeviceTree<'a> {
    /// The total size that a header claims, if its magic is right and the size is believable
    /// (40 bytes to 2 MiB).
    #[must_use]
    pub fn claimed_bytes(header: &[u8]) -> Option<usize> {
        let total = word(header, field::TOTAL_SIZE)? as usize;
        (word(header, field::MAGIC)? == MAGIC && (HEADER_BYTES..=MAX_TREE_BYTES).contains(&total))
            .then_some(total)
    }

    /// Checks the tree at the start of `bytes`. `O(bytes)`, allocates nothing.
    ///
    /// # Errors
    /// The first defect found; see [`DeviceTreeError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DeviceTreeError> {
        let short = |need| DeviceTreeError::Short { need, have: bytes.len() };
        let header = |offset| word(bytes, offset).ok_or(short(HEADER_BYTES));
        let magic = header(field::MAGIC)?;
        if magic != MAGIC {
            return Err(DeviceTreeError::Magic { found: magic });
        }
        let version = header(field::VERSION)?;
        let last_compatible = header(field::LAST_COMPATIBLE)?;
        if version < 17 || last_compatible > 17 {
            return Err(DeviceTreeError::Version { version, last_compatible });
        }
        let structure_bytes = header(field::STRUCTURE_SIZE)? as usize;
        let total = header(field::TOTAL_SIZE)? as usize;
        let tree = bytes.get(..total).ok_or(short(total))?;
        let block = |offset: u32, length: usize, align: usize| {
            let offset = offset as usize;
            let end = offset.checked_add(length).filter(|_| offset.is_multiple_of(align));
            end.and_then(|end| tree.get(offset..end)).ok_or(DeviceTreeError::Block { offset, length })
        };
        let reservations_at = header(field::RESERVATIONS_OFFSET)?;
        let reservations_bytes = total.saturating_sub(reservations_at as usize);
        let tree = Self {
            structure: block(header(field::STRUCTURE_OFFSET)?, structure_bytes, 4)?,
            strings: block(header(field::STRINGS_OFFSET)?, header(field::STRINGS_SIZE)? as usize, 1)?,
            reservations: block(reservations_at, reservations_bytes, 8)?,
        };
        tree.check_structure()?;
        Ok(tree)
    }

    /// One pass over all tokens: properties before children, one root, balanced, terminated.
    fn check_structure(self) -> Result<(), DeviceTreeError> {
        let mut tokens = Tokens::new(self, 0);
        let mut depth = 0;
        let mut has_children = [false; MAX_DEPTH + 1];
        let mut has_root = false;
        loop {
            let offset = tokens.offset();
            let malformed = DeviceTreeError::Structure { offset };
            match tokens.next_token().ok_or(malformed)? {
                Token::BeginNode(_) => {
                    if depth == 0 && has_root {
                        return Err(malformed);
                    }
                    has_root = true;
                    has_children[depth] = true;
                    depth += 1;
                    *has_children.get_mut(depth).ok_or(DeviceTreeError::Depth { offset })? = false;
                }
                Token::Property { .. } if depth > 0 && !has_children[depth] => {}
                Token::EndNode if depth > 0 => depth -= 1,
                Token::End if depth == 0 && has_root => return Ok(()),
                Token::Property { .. } | Token::EndNode | Token::End => return Err(malformed),
            }
        }
    }

    /// The root node.
    #[must_use]
    pub fn root(self) -> Option<Node<'a>> {
        let mut tokens = Tokens::new(self, 0);
        match tokens.next_token()? {
            Token::BeginNode(name) => Some(Node::new(self, tokens.offset(), name)),
            _ => None,
        }
    }

    /// Follows `/name@unit/name`, or an alias (`serial0`) from `/aliases`. A name without `@unit`
    /// also matches the first child that has one.
    #[must_use]
    pub fn find(self, path: &str) -> Option<NodePath<'a>> {
        let root = self.root()?;
        let full = if path.starts_with('/') { path } else { root.child("aliases")?.text(path)? };
        let mut found = NodePath::new(root);
        for name in full.strip_prefix('/')?.split('/').filter(|name| !name.is_empty()) {
            let child = found.node().child(name)?;
            found.push(child)?;
        }
        Some(found)
    }

    /// The first enabled node, in tree order, for which `matches` holds.
    pub fn find_enabled(self, mut matches: impl FnMut(&NodePath<'a>) -> bool) -> Option<NodePath<'a>> {
        let mut found = None;
        self.for_each_enabled(|path| {
            let hit = matches(path);
            if hit {
                found = Some(path.clone());
            }
            !hit
        });
        found
    }

    /// Calls `visit` with each enabled node, parents first, until it returns false.
    pub fn for_each_enabled(self, mut visit: impl FnMut(&NodePath<'a>) -> bool) {
        let mut tokens = Tokens::new(self, 0);
        let mut path: Option<NodePath<'a>> = None;
        // Depth below a disabled node, which hides its whole subtree.
        let mut n_hidden = 0_usize;
        while let Some(token) = tokens.next_token() {
            match token {
                Token::BeginNode(_) if n_hidden > 0 => n_hidden += 1,
                Token::BeginNode(name) => {
                    let node = Node::new(self, tokens.offset(), name);
                    if !node.is_enabled() {
                        n_hidden = 1;
                        continue;
                    }
                    match &mut path {
                        None => path = Some(NodePath::new(node)),
                        Some(path) => {
                            if path.push(node).is_none() {
                                return;
                            }
                        }
                    }
                    if let Some(path) = &path
                        && !visit(path)
                    {
                        return;
                    }
                }
                Token::EndNode if n_hidden > 0 => n_hidden -= 1,
                Token::EndNode => {
                    if let Some(path) = &mut path {
                        path.pop();
                    }
                }
                Token::Property { .. } => {}
                Token::End => return,
            }
        }
    }

    /// The memory reservation block: regions that the loader wants left alone.
    pub fn reservations(self) -> impl Iterator<Item = Region> + 'a {
        let entry =
            |chunk: &[u8]| Some(Region { address: double_word(chunk, 0)?, bytes: double_word(chunk, 8)? });
        self.reservations
            .chunks_exact(16)
            .map_while(entry)
            .take_while(|region| region.address != 0 || region.bytes != 0)
    }
}

/// Big-endian word at `offset`.
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Big-endian double word at `offset`.
fn double_word(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}
