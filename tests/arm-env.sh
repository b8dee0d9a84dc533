#!/usr/bin/env bash
# Runs a command with a Rust that builds for 64-bit Arm.
#
#   bash tests/arm-env.sh linux cargo test --target aarch64-unknown-linux-gnu
#   bash tests/arm-env.sh bare-metal cargo image
#
# Where the toolchain has the target (`rustup target add ...`), the command runs as it is. Else it runs with the
# compiler of Debian's packages rustc-web, rust-web-src and libstd-rust-web-dev:arm64, which hold no library for
# bare metal: there Cargo builds `core` and `alloc` from source. TERNLET_ARM_RUST=debian or =rustup forces one.
set -euo pipefail

usage="usage: bash tests/arm-env.sh linux|bare-metal COMMAND..."
[ $# -ge 2 ] || { echo "$usage" >&2; exit 2; }
case "$1" in
    linux) target=aarch64-unknown-linux-gnu ;;
    bare-metal) target=aarch64-unknown-none ;;
    *) echo "$usage" >&2; exit 2 ;;
esac
shift

# Tests that start other programs of the build read this too; its like in .cargo/config.toml they cannot see.
if [ "$target" = aarch64-unknown-linux-gnu ] && [ "$(uname -m)" != aarch64 ]; then
    runner="timeout --foreground --kill-after=10 600 qemu-aarch64 -cpu cortex-a76"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER:-$runner}"
fi

debian_rustc=/usr/bin/rustc

# has_library RUSTC TARGET: that compiler has TARGET's own library.
has_library() {
    local dir
    dir=$("$1" --print target-libdir --target "$2" 2>/dev/null) && [ -d "$dir" ]
}

debian_has_arm() {
    [ -x "$debian_rustc" ] && has_library "$debian_rustc" aarch64-unknown-linux-gnu &&
        [ -d "$("$debian_rustc" --print sysroot)/lib/rustlib/src/rust/library/core" ]
}

choice=${TERNLET_ARM_RUST:-}
if [ -z "$choice" ]; then
    if has_library rustc "$target"; then choice=rustup; else choice=debian; fi
fi

case "$choice" in
    rustup) exec "$@" ;;
    debian) ;;
    *) echo "tests/arm-env.sh: TERNLET_ARM_RUST: expected rustup or debian, found '$choice'" >&2; exit 2 ;;
esac

if ! debian_has_arm; then
    echo "tests/arm-env.sh: no Rust for $target: run 'bash tests/setup.sh' first" >&2
    exit 1
fi

# The linker for bare metal comes with the rustup toolchain and not with Debian's compiler.
host=$(rustc --print host-tuple)
PATH=$PATH:$(rustc --print sysroot)/lib/rustlib/$host/bin
export PATH RUSTC=$debian_rustc RUSTDOC=/usr/bin/rustdoc
if [ "$target" = aarch64-unknown-none ]; then
    command -v rust-lld >/dev/null ||
        { echo "tests/arm-env.sh: no rust-lld for $target: expected it in a toolchain of rustup" >&2; exit 1; }
    export RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=core,alloc
fi

# Clippy works only with the compiler it was built with.
if [ "$1" = cargo ] && [ "${2:-}" = clippy ]; then
    CARGO=$(command -v cargo)
    export CARGO
    shift
    exec /usr/bin/cargo-clippy "$@"
fi
exec "$@"
