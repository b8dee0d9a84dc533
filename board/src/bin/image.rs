//! The bare-metal image: everything is in the library, which the linker script pulls in by `_start`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use ternlet_board as _;

/// Built for a host by accident (`--all-features`): says what to do instead.
#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "ternlet-image: runs without an operating system: build it with `cargo image`, boot it with `cargo qemu`"
    );
    std::process::ExitCode::from(2)
}
