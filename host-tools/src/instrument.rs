//! The instrument behind `ternlet bench`
//!
//! Cases (threads × slots × prompt length) run in rounds, one after another, and after each case its peers: whatever
//! else the machine does in the meantime falls on all of them alike, and a ratio is taken within a round. Beside speed
//! stands what explains it: bytes read per pass, a plain read of the same bytes by the same threads, energy, memory.
//! Not here: kernels by themselves (the kernels' own benches), and boards (`/selftest` on the console).

mod bytes;
mod case;
mod energy;
mod machine;
mod measure;
mod peer;
mod pictures;
mod report;
mod roof;
mod rounds;
mod sparsity;
mod stream;
mod svg;

pub(crate) use case::cases;
pub(crate) use peer::Peer;
pub(crate) use pictures::draw;
pub(crate) use rounds::{Instrument, run};
