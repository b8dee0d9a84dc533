//! The token stream of the structure block

use super::{DeviceTree, word};

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// One token, with its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A node opens; its name with the unit address (`serial@9000000`), without the NUL.
    BeginNode(&'a [u8]),
    /// A property of the node that opened last.
    Property {
        /// Name without the NUL.
        name: &'a [u8],
        /// Value, big-endian.
        value: &'a [u8],
    },
    /// The innermost open node closes.
    EndNode,
    /// The block is over.
    End,
}

/// A position in the structure block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'a> {
    tree: DeviceTree<'a>,
    offset: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(tree: DeviceTree<'a>, offset: usize) -> Self {
        Self { tree, offset }
    }

    /// Byte offset of the next token.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The next token, NOPs skipped; `None` where the bytes make no sense.
    pub(super) fn next_token(&mut self) -> Option<Token<'a>> {
        loop {
            let kind = self.word()?;
            return Some(match kind {
                NOP => continue,
                BEGIN_NODE => {
                    let name = until_nul(self.tree.structure.get(self.offset..)?)?;
                    self.advance(name.len() + 1)?;
                    Token::BeginNode(name)
                }
                PROPERTY => {
                    let length = self.word()? as usize;
                    let name = until_nul(self.tree.strings.get(self.word()? as usize..)?)?;
                    let start = self.offset;
                    self.advance(length)?;
                    let value = self.tree.structure.get(start..)?.get(..length)?;
                    Token::Property { name, value }
                }
                END_NODE => Token::EndNode,
                END => Token::End,
                _ => return None,
            });
        }
    }

    fn word(&mut self) -> Option<u32> {
        let value = word(self.tree.structure, self.offset)?;
        self.offset += 4;
        Some(value)
    }

    /// Skips `n_bytes` and the padding to the next word.
    fn advance(&mut self, n_bytes: usize) -> Option<()> {
        let end = self.offset.checked_add(n_bytes)?.checked_next_multiple_of(4)?;
        if end > self.tree.structure.len() {
            return None;
        }
        self.offset = end;
        Some(())
    }
}

/// The bytes before the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split(|&byte| byte == 0).next().filter(|text| text.len() < bytes.len())
}
