//! One node: its properties and children

use super::token::{Token, Tokens};
use super::{DeviceTree, double_word, word};

/// A node of a checked tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    tree: DeviceTree<'a>,
    /// Offset of the first token after the name.
    start: usize,
    name: &'a [u8],
}

impl<'a> Node<'a> {
    pub(super) fn new(tree: DeviceTree<'a>, start: usize, name: &'a [u8]) -> Self {
        Self { tree, start, name }
    }

    /// Name with its unit address, `serial@9000000`; empty for the root.
    #[must_use]
    pub fn name(&self) -> &'a str {
        core::str::from_utf8(self.name).unwrap_or("?")
    }

    /// The value of a property.
    #[must_use]
    pub fn property(&self, wanted: &str) -> Option<&'a [u8]> {
        let mut tokens = Tokens::new(self.tree, self.start);
        loop {
            match tokens.next_token()? {
                Token::Property { name, value } if name == wanted.as_bytes() => return Some(value),
                Token::Property { .. } => {}
                _ => return None,
            }
        }
    }

    /// A property that holds one string: the text before its first NUL.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.property(name)?;
        core::str::from_utf8(value.split(|&byte| byte == 0).next()?).ok()
    }

    /// A property that holds one number of 32 or 64 bits.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        let value = self.property(name)?;
        match value.len() {
            4 => word(value, 0).map(u64::from),
            8 => double_word(value, 0),
            _ => None,
        }
    }

    /// True if the string list `compatible` names `wanted`.
    #[must_use]
    pub fn is_compatible(&self, wanted: &str) -> bool {
        self.property("compatible")
            .is_some_and(|list| list.split(|&byte| byte == 0).any(|name| name == wanted.as_bytes()))
    }

    /// True unless `status` says otherwise (Devicetree Specification v0.4 section 2.3.4).
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        matches!(self.property("status"), None | Some(b"okay\0" | b"ok\0"))
    }

    /// Words per address in `reg` of the children; 2 where the node does not say.
    #[must_use]
    pub fn address_cells(&self) -> u64 {
        self.number("#address-cells").unwrap_or(2)
    }

    /// Words per size in `reg` of the children; 1 where the node does not say.
    #[must_use]
    pub fn size_cells(&self) -> u64 {
        self.number("#size-cells").unwrap_or(1)
    }

    /// The child of that name; a name without `@unit` also matches the first child that has one.
    #[must_use]
    pub fn child(&self, wanted: &str) -> Option<Node<'a>> {
        self.children().find(|child| {
            let without_unit = child.name.split(|&byte| byte == b'@').next().unwrap_or_default();
            child.name == wanted.as_bytes() || without_unit == wanted.as_bytes()
        })
    }

    /// The direct children in order.
    pub fn children(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let tree = self.tree;
        let mut tokens = Tokens::new(tree, self.start);
        let mut depth = 0_usize;
        core::iter::from_fn(move || {
            loop {
                match tokens.next_token()? {
                    Token::BeginNode(name) => {
                        depth += 1;
                        if depth == 1 {
                            return Some(Node::new(tree, tokens.offset(), name));
                        }
                    }
                    Token::EndNode => depth = depth.checked_sub(1)?,
                    Token::Property { .. } => {}
                    Token::End => return None,
                }
            }
        })
    }
}
