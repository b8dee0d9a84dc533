//! The model format's law, held against its reader
//!
//! Files are written here by a builder of their own, from FORMAT.md and not from the reader's code.

#[path = "format/config.rs"]
mod config;
#[path = "format/damage.rs"]
mod damage;
#[path = "format/image.rs"]
mod image;
#[path = "format/layouts.rs"]
mod layouts;
#[path = "format/rejections.rs"]
mod rejections;
#[path = "format/system.rs"]
mod system;
