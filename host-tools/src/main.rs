//! The `ternlet` command.
fn main() {}
