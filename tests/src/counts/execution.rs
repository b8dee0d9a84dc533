//! What a program executed, from the log of its emulator
//!
//! QEMU translates a program block by block. Asked for `in_asm` it logs each block's instructions when it translates
//! it, and for `exec` a line each time it enters one; with `nochain` no entry is left out. Hits times lengths are the
//! executed instructions, to the last one: no sampling, no plugin, and every QEMU since 4 has it. A line per block is
//! slow, a few hundred thousand blocks a second; for whole models there is the plugin in `tests/counts`.

use std::collections::HashMap;
use std::io::{self, BufRead};

/// What the emulator is asked to log.
pub(super) const LOG_OPTIONS: &str = "in_asm,exec,nochain";

/// A straight run of instructions of four bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block {
    /// Of the first instruction.
    pub address: u64,
    /// How many instructions.
    pub length: u64,
}

/// How often each block was entered.
#[derive(Debug, Clone, Default)]
pub struct Execution {
    hits: HashMap<Block, u64>,
}

impl Execution {
    /// Instructions executed.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.hits.iter().map(|(block, hits)| block.length * hits).sum()
    }

    /// How often the instruction at `address` was executed.
    #[must_use]
    pub fn executed(&self, address: u64) -> u64 {
        let holds = |block: &Block| (block.address..block.address + 4 * block.length).contains(&address);
        self.hits.iter().filter(|(block, _)| holds(block)).map(|(_, hits)| hits).sum()
    }

    /// What `self` executed beyond `other`; `None` if `other` did anything more often.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Option<Self> {
        let mut hits = self.hits.clone();
        for (block, n) in &other.hits {
            let left = hits.get_mut(block)?;
            *left = left.checked_sub(*n)?;
        }
        hits.retain(|_, n| *n > 0);
        Some(Self { hits })
    }
}

/// The execution from each entry of a function on, up to its next: what comes before the first is left out.
///
/// `mark` is a part of the function's symbol.
///
/// # Errors
/// If the log cannot be read or is none of QEMU's.
pub(super) fn since_marks(log: impl BufRead, mark: &str) -> io::Result<Vec<Execution>> {
    let mut lengths: HashMap<u64, u64> = HashMap::new();
    let mut listed: Option<u64> = None;
    let mut parts: Vec<Execution> = Vec::new();
    for line in log.split(b'\n') {
        let line = line?;
        let line = core::str::from_utf8(&line).map_err(|_| not_a_log("not text"))?;
        if let Some(address) = line.strip_prefix("0x") {
            let address = hexadecimal(address.split(':').next())?;
            // Translated again, a block may have another length.
            let first = *listed.get_or_insert_with(|| {
                lengths.remove(&address);
                address
            });
            *lengths.entry(first).or_default() += 1;
        } else if line.starts_with("IN:") {
            listed = None;
        } else if let Some(entry) = line.strip_prefix("Trace ") {
            // Trace 0: HOST_ADDRESS [cs_base/pc/flags/cflags] symbol
            let address = hexadecimal(entry.split('/').nth(1))?;
            let length = *lengths.get(&address).ok_or_else(|| not_a_log(entry))?;
            if entry.rsplit(' ').next().is_some_and(|symbol| symbol.contains(mark)) {
                parts.push(Execution::default());
            }
            if let Some(part) = parts.last_mut() {
                *part.hits.entry(Block { address, length }).or_default() += 1;
            }
        } else if line.starts_with("Stopped execution") {
            return Err(not_a_log("a block was left half way"));
        }
    }
    Ok(parts)
}

fn hexadecimal(text: Option<&str>) -> io::Result<u64> {
    let text = text.unwrap_or_default();
    u64::from_str_radix(text, 16).map_err(|_| not_a_log(text))
}

fn not_a_log(found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("expected a log of QEMU, found {found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
IN: _start
0x00400000:  d503201f  nop
0x00400004:  14000004  b        #0x400014

Trace 0: 0x7f [0/0000000000400000/1/200] _start
----------------
IN: mark
0x00400014:  d65f03c0  ret

Trace 0: 0x7f [0/0000000000400014/1/200] mark
Trace 0: 0x7f [0/0000000000400000/1/200] _start
Trace 0: 0x7f [0/0000000000400000/1/200] _start
Trace 0: 0x7f [0/0000000000400014/1/200] mark
IN: _start
0x00400000:  d503201f  nop

Trace 0: 0x7f [0/0000000000400000/1/200] _start
";

    #[test]
    fn hits_times_lengths_are_the_instructions_behind_each_mark() {
        let parts = since_marks(LOG.as_bytes(), "mark").expect("a log");
        let counts: Vec<u64> = parts.iter().map(Execution::instructions).collect();
        assert_eq!(counts, [5, 2]);
        assert_eq!(parts[0].executed(0x40_0004), 2);
        assert_eq!(parts[1].executed(0x40_0004), 0);
        assert!(parts[0].beyond(&parts[1]).is_none(), "the second translation is another block");
    }

    #[test]
    fn what_is_no_log_is_an_error() {
        assert!(since_marks("Trace 0: 0x7f [0/400000/1/200] never_listed\n".as_bytes(), "mark").is_err());
        let stopped = format!("{LOG}Stopped execution of TB chain before 0x7f [400000] _start\n");
        assert!(since_marks(stopped.as_bytes(), "mark").is_err());
    }
}
