//! The model that ships with the command, in the command

/// Gives the bytes the alignment that a model file needs in place.
#[repr(C, align(4096))]
struct Aligned<B: ?Sized>(B);

static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../model/demo.tern"));

/// `host-tools/model/demo.tern`, aligned for use in place; `host-tools/model/README.md` says what it is.
pub(crate) const MODEL: &[u8] = &FILE.0;
