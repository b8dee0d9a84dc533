//! The console on a byte stream whose user is a script: typing, interrupting, and talking past the context
//!
//! The shipped model answers greedily, so every conversation here is the same on every machine.

#[path = "console/full_context.rs"]
mod full_context;
#[path = "console/script.rs"]
mod script;
#[path = "console/storage.rs"]
mod storage;
#[path = "console/typing.rs"]
mod typing;
