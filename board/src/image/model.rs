//! The model's bytes: what the loader put into memory, at an address that kernels can use

use core::fmt;

use crate::arch::Memory;
use crate::device_tree::Region;
use crate::driver::say;

/// Alignment that the runtime asks of a model: one cache line.
const ALIGN: u64 = 64;

/// Why there are no model bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelError {
    /// The loader passed no file.
    Missing,
    /// The loader's file lies outside free memory.
    Misplaced(Region),
    /// The file must move to an aligned address and no free piece of memory holds it.
    NoRoom {
        /// Bytes of the file.
        need: u64,
        /// Bytes of the largest free piece.
        have: u64,
    },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "no model: expected one as initrd, found none\n\
                 QEMU: add `-initrd MODEL.tern`; Raspberry Pi: add `initramfs MODEL.TRN followkernel` to config.txt",
            ),
            Self::Misplaced(region) => write!(
                f,
                "no model: expected the initrd in free memory, found {} bytes at {:#x}\n\
                 give the machine more memory, or load the file elsewhere",
                region.bytes, region.address
            ),
            Self::NoRoom { need, have } => write!(
                f,
                "no model: expected {need} bytes of memory to align it, found {have}\n\
                 give the machine more memory, or load the file at a multiple of {ALIGN}"
            ),
        }
    }
}

/// The loader's file, moved if it is not aligned.
pub(super) fn from_initrd(initrd: Option<Region>, memory: &mut Memory) -> Result<&'static [u8], ModelError> {
    let region = initrd.ok_or(ModelError::Missing)?;
    let bytes: &'static [u8] = memory.take(region.range()).ok_or(ModelError::Misplaced(region))?;
    if region.address.is_multiple_of(ALIGN) {
        return Ok(bytes);
    }
    let have = memory.free().largest().map_or(0, |piece| piece.end - piece.start);
    let place =
        memory.take_top(region.bytes, ALIGN).ok_or(ModelError::NoRoom { need: region.bytes, have })?;
    place.copy_from_slice(bytes);
    say!("model moved from {:#x} to an address that is a multiple of {ALIGN}\n", region.address);
    Ok(place)
}
