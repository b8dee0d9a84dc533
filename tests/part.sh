#!/usr/bin/env bash
# Runs one part of the tests, with all of its output: `bash tests/part.sh PART`. `tests/run-all.sh` runs all parts.
set -euo pipefail
cd "$(dirname "$0")/.."

arm=aarch64-unknown-linux-gnu
image_options=(--package ternlet-board --features bare-metal --target aarch64-unknown-none)
# No program may run longer than this, in seconds; the host's tests together four times as long.
program_limit=600

setup() { bash tests/setup.sh; }

shell() { shellcheck tests/*.sh tests/counts/*.sh tests/fuzz/*.sh .ci/run; }

# The fuzzer is a workspace of its own.
format() { cargo fmt --all --check && rustfmt --edition 2024 --check tests/fuzz/fuzz_targets/*.rs; }

# Each target has code of its own: the Arm kernels, the board's start-up.
lint() {
    local all=(--workspace --all-targets)
    cargo clippy "${all[@]}" -- -D warnings
    cargo clippy --package ternlet-tests --all-targets --features system -- -D warnings
    bash tests/arm-env.sh linux cargo clippy "${all[@]}" --target $arm -- -D warnings
    bash tests/arm-env.sh bare-metal cargo clippy "${image_options[@]}" --bin ternlet-image -- -D warnings
}

docs() {
    export RUSTDOCFLAGS="-D warnings"
    cargo doc --workspace --no-deps
    bash tests/arm-env.sh bare-metal cargo doc "${image_options[@]}" --lib --no-deps
}

host() { timeout --kill-after=10 $((4 * program_limit)) cargo test --workspace --no-fail-fast; }

# The README's first command: the model that ships answers through a pipe, a line for a line.
first_prompt() {
    local answer
    answer=$(echo "set gpio 17 high" | timeout --kill-after=10 $program_limit cargo run --release --bin ternlet)
    echo "first-prompt: $answer"
    grep -q gpio_set <<<"$answer"
}

# emulated CPU: the same tests as `host`, built once for Arm, run under QEMU as that CPU.
emulated() {
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="timeout --kill-after=10 $program_limit qemu-aarch64 -cpu $1"
    bash tests/arm-env.sh linux cargo test --workspace --no-fail-fast --target $arm
}

# Kernels and runtime stand without a standard library.
no_std() {
    local package
    for package in ternlet-kernels ternlet-runtime; do
        bash tests/arm-env.sh bare-metal cargo build --package $package --target aarch64-unknown-none
    done
}

# The bare-metal image on whole machines in QEMU, and its kernels' loops.
bare_metal() {
    timeout --kill-after=10 $program_limit cargo test --package ternlet-tests --features system \
        --test bare_metal --test bare_metal_session --test image_loops --no-fail-fast
}

# Instructions of every Arm kernel, compared with the record.
counts() {
    timeout --kill-after=10 $program_limit cargo test --package ternlet-tests --features system --test counts
}

case "${1:-}" in
    setup | shell | format | lint | docs | host | counts) "$1" ;;
    first-prompt) first_prompt ;;
    cortex-* | neoverse-*) emulated "$1" ;;
    no-std) no_std ;;
    bare-metal) bare_metal ;;
    *) echo "tests/part.sh: expected the name of a part (tests/run-all.sh lists them), found '${1:-}'" >&2; exit 2 ;;
esac
