#!/usr/bin/env bash
# Installs what the tests need, where it is missing: a linker, a Rust and emulators for 64-bit Arm.
#
#   bash tests/setup.sh           install, with sudo where the user is not root
#   bash tests/setup.sh --check   only say what is missing; exit 1 if anything is
#
# Debian 12 or newer and Ubuntu 24.04 or newer, on x86-64. Elsewhere it changes nothing, names what is missing and
# fails. A second run finds everything there and takes about a second.
set -euo pipefail
cd "$(dirname "$0")/.."

min_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
emulated_cpus=(cortex-a53 cortex-a76 neoverse-n2)
arm_targets=(aarch64-unknown-linux-gnu aarch64-unknown-none)
check_only=false
[ "${1:-}" != --check ] || check_only=true

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# ---- What is missing -------------------------------------------------------------------------------------------

has() { command -v "$1" >/dev/null; }
cross_links() { has aarch64-linux-gnu-gcc && [ "$(aarch64-linux-gnu-gcc -print-file-name=libc.a)" != libc.a ]; }
# knows PROGRAM ARGS...: that emulator can be every CPU of the tests. `-cpu help` ends with status 1 in some of them.
knows() {
    local cpu list
    list=$("$@" -cpu help 2>/dev/null) || true
    for cpu in "${emulated_cpus[@]}"; do grep -q "$cpu" <<<"$list" || return 1; done
}
emulates() { knows qemu-aarch64 && knows qemu-system-aarch64 -machine virt; }
arm_rust() {
    bash tests/arm-env.sh linux true 2>/dev/null && bash tests/arm-env.sh bare-metal true 2>/dev/null
}

packages=() # of the distribution, any release
need_qemu=false
need_arm_rust=false
codename= # of the distribution's release

find_missing() {
    packages=() need_qemu=false need_arm_rust=false
    has cc || packages+=(gcc libc6-dev)
    cross_links || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
    has shellcheck || packages+=(shellcheck)
    emulates || need_qemu=true
    arm_rust || need_arm_rust=true
}

nothing_missing() { [ ${#packages[@]} -eq 0 ] && ! $need_qemu && ! $need_arm_rust; }

list_missing() {
    [ ${#packages[@]} -eq 0 ] || echo "  packages: ${packages[*]}"
    ! $need_qemu || echo "  packages: qemu-user qemu-system-arm (QEMU 8 or newer, for ${emulated_cpus[*]})"
    ! $need_arm_rust || echo "  Rust for ${arm_targets[*]}"
}

# ---- Rust itself: the user's choice of installer, so only asked for --------------------------------------------

check_rust() {
    has cargo || fail "no cargo: install Rust $min_rust or newer with rustup, then run this again"
    local version
    version=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$min_rust" "$version" | sort -V | head -n 1)" = "$min_rust" ] ||
        fail "rustc: expected $min_rust or newer, found $version: run 'rustup update stable'"
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 || add_component "$component"
    done
}

add_component() {
    local name=$1
    [ "$name" = clippy ] || name=rustfmt
    say "rustup component add $name"
    { ! $check_only && has rustup && rustup component add "$name"; } ||
        fail "no cargo $1: add the component $name to your Rust toolchain (rustup component add $name)"
}

# ---- The system --------------------------------------------------------------------------------------------------

check_system() {
    local id=unknown version=0
    if [ -r /etc/os-release ]; then
        # shellcheck source=/dev/null
        . /etc/os-release
        id=${ID:-unknown} version=${VERSION_ID:-999} codename=${VERSION_CODENAME:-}
    fi
    case "$id" in
        debian) [ "${version%%.*}" -ge 12 ] && [ "$(uname -m)" = x86_64 ] && return ;;
        ubuntu) [ "${version%%.*}" -ge 24 ] && [ "$(uname -m)" = x86_64 ] && return ;;
    esac
    echo "setup: expected Debian 12 or Ubuntu 24.04 (or newer) on x86-64, found $id $version on $(uname -m)." >&2
    echo "setup: nothing was installed. Install these by the means of your system, then run this again:" >&2
    list_missing >&2
    exit 1
}

check_root() {
    [ "$(id -u)" -ne 0 ] || return 0
    has sudo || { list_missing >&2; fail "not root and no sudo: install these as root, or run this as root"; }
    say "not root: packages are installed with sudo"
}
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }
apt_install() {
    say "installing: $*"
    apt install -y --no-install-recommends "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; fail "apt-get install failed"; }
}
apt_update() { apt update >"$log" 2>&1 || { tail -n 30 "$log" >&2; fail "apt-get update failed"; }; }

# ---- QEMU: Debian 12's own is too old, its backports are not ---------------------------------------------------

install_qemu() {
    local suite=()
    if [ "$codename" = bookworm ]; then
        add_backports
        suite=(-t bookworm-backports)
    fi
    apt_install "${suite[@]}" qemu-user qemu-system-arm
    emulates ||
        fail "QEMU: expected one that knows ${emulated_cpus[*]}, found $(qemu-aarch64 --version | head -n 1)"
}

# Copies the machine's own bookworm entry, whatever mirror and key it names, into one for bookworm-backports.
add_backports() {
    [ -z "$(apt-get indextargets 'Release: bookworm-backports')" ] || return 0
    local list=/etc/apt/sources.list.d/ternlet-backports file entry
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        entry=$(awk -v RS= '/(^|\n)Suites:([^\n]* )?bookworm( |\n|$)/ { print; exit }' "$file" | grep -v '^#' |
            sed -e 's/^Suites:.*/Suites: bookworm-backports/' -e 's/^Components:.*/Components: main/')
        [ -z "$entry" ] || { add_source "$list.sources" "$entry"; return; }
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        entry=$(sed -n 's/^\(deb .*\) bookworm main.*/\1 bookworm-backports main/p' "$file" | head -n 1)
        [ -z "$entry" ] || { add_source "$list.list" "$entry"; return; }
    done
    fail "no apt source for bookworm found to copy for bookworm-backports, which has QEMU 8 or newer"
}

add_source() {
    say "writing $1 (bookworm-backports, from this machine's own entry for bookworm)"
    as_root tee "$1" <<<"$2" >/dev/null
    apt_update
}

# ---- Rust for Arm: rustup where it can be reached, else Debian's packages --------------------------------------

install_arm_rust() {
    if [ "${TERNLET_ARM_RUST:-}" != debian ] && has rustup; then
        say "rustup target add ${arm_targets[*]}"
        if timeout 300 rustup target add "${arm_targets[@]}" >"$log" 2>&1 && arm_rust; then return; fi
        say "rustup could not: $(grep -m 1 -i error "$log" || echo 'no reason given')"
    fi
    local debs=(rustc-web rust-web-src rust-web-clippy libstd-rust-web-dev:arm64)
    [ -n "$(apt-cache show rustc-web 2>/dev/null)" ] ||
        fail "no Rust for ${arm_targets[*]}: rustup cannot add them, and this release has no package rustc-web"
    if ! dpkg --print-foreign-architectures | grep -qx arm64; then
        as_root dpkg --add-architecture arm64
        apt_update
    fi
    apt_install "${debs[@]}"
    arm_rust || fail "Debian's rustc-web: expected it to build for Arm, and it does not"
}

# ---- In order ----------------------------------------------------------------------------------------------------

find_missing
if nothing_missing; then
    check_rust
    say "everything is there"
    exit 0
fi
if $check_only; then
    say "missing:"
    list_missing
    exit 1
fi
check_system
check_rust
find_missing
say "missing:"
list_missing
check_root
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt_update
[ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
! $need_qemu || install_qemu
! $need_arm_rust || install_arm_rust
find_missing
nothing_missing || { list_missing >&2; fail "installed, and still missing (above)"; }
say "ready"
