//! What `ternlet` does beside its command line: foreign formats in, model files out
#![expect(clippy::std_instead_of_core, reason = "a host program uses std throughout")]

pub mod against;
pub mod error;
pub mod export;
pub mod footprint;
pub mod hub;
pub mod import;
pub mod known_models;
pub mod output_file;
pub mod pack;
pub mod tune;
