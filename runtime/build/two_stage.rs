//! A table with an entry for each code point, without its repetitions

use core::fmt::Write as _;

/// Code points of Unicode.
pub(crate) const N_CODE_POINTS: usize = 0x11_0000;
/// Code points of one block.
const BLOCK: usize = 256;

/// The two stages as source: `<name>BLOCK_OF` maps a block of 256 code points to one of the distinct `<name>BLOCKS`, of
/// `BLOCK / per_byte` bytes each.
///
/// `table` has `per_byte` entries in each byte, the first in the low bits.
pub(crate) fn source(name: &str, table: &[u8], per_byte: usize) -> String {
    let block_bytes = BLOCK / per_byte;
    let mut blocks: Vec<&[u8]> = Vec::new();
    let mut block_of = Vec::new();
    for block in table.chunks(block_bytes) {
        let index = blocks.iter().position(|b| *b == block).unwrap_or_else(|| {
            blocks.push(block);
            blocks.len() - 1
        });
        block_of.push(u8::try_from(index).expect("under 256 distinct blocks"));
    }
    let mut source = String::new();
    writeln!(source, "static {name}BLOCK_OF: [u8; {}] = {block_of:?};", block_of.len())
        .expect("a string grows");
    writeln!(source, "static {name}BLOCKS: [[u8; {block_bytes}]; {}] = {blocks:?};", blocks.len())
        .expect("a string grows");
    source
}
