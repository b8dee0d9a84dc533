//! From a source of weights to a model file
//!
//! A [`Source`] hands out rows, the `ModelWriter` lays them down as `runtime/FORMAT.md` says, and
//! [`pack`] drives one into the other with memory for a few matrices, whatever the model's size.

mod convert;
mod i8_table;
mod layouts;
mod packer;
mod profile;
mod repack;
mod rope;
mod self_test;
mod source;
pub mod synth;
mod system;
mod ternary_ahead;
mod writer;

pub use convert::{from_i2_rows, i2_rows};
pub use i8_table::{Derived, I8Rows};
pub use layouts::{Layouts, Placement, TERNARY_ROLES, Target};
pub use packer::{HeadForm, PackRequest, file_bytes, pack};
pub use profile::Profile;
pub use repack::repack;
pub use rope::{RopeScaling, rope_inv_freq};
pub use source::{Source, TernaryRows};
