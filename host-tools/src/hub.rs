//! Models on the Hugging Face hub: `hf:org/name` becomes files on this machine
//!
//! Downloads what packing needs into the cache that Hugging Face's own programs use, so each finds what the other
//! fetched. Every file is checked against the size and hash that the hub gives for it. No model is uploaded, listed or
//! deleted here.

mod address;
mod cache;
mod client;
mod content;
mod failure;
mod resolve;
mod selection;
mod settings;
mod transfer;

pub use address::Address;
pub use resolve::{Event, Resolved, resolve};
