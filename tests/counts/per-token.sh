#!/usr/bin/env bash
# Counts the instructions that one decoded token takes on a 64-bit Arm core, by function, under emulation.
#
#   bash tests/counts/per-token.sh MODEL [CPU]      CPU as QEMU calls it; cortex-a76 if none is named
#
# Greedy, one thread, context 4: what 6 decoded tokens take less what 2 take, over 4. Nothing is sampled: QEMU runs the
# release build of `ternlet` with a plugin (instructions.c), and a second run differs by what clocks and the progress
# bar take.
#
# The static qemu-user of Debian's newer releases loads no plugins. Where the installed one does not, Debian 12's own
# (7.2) is fetched with apt-get and unpacked below the target folder; nothing is installed. Where there is none to
# fetch, name one that loads plugins: QEMU_AARCH64=/path/to/qemu-aarch64 (QEMU 4.2 to 8).
set -euo pipefail
[ $# -ge 1 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
model=$(realpath "$1") cpu=${2:-cortex-a76}
cd "$(dirname "$0")/../.."

fail() { echo "per-token: $*" >&2; exit 1; }
[ -r "$model" ] || fail "$1: expected a packed model, found nothing to read"

target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target_dir/per-token
mkdir -p "$work"

# ---- The program: static, with symbols -------------------------------------------------------------------------

target=aarch64-unknown-linux-gnu
bash tests/arm-env.sh linux cargo build --quiet --release --target $target --target-dir "$target_dir" --bin ternlet
program=$target_dir/$target/release/ternlet

# ---- The plugin, and a QEMU that loads it ----------------------------------------------------------------------

plugin=$work/libinstructions.so
cc -O2 -Wall -Wextra -fPIC -shared -o "$plugin" tests/counts/instructions.c

# loads_plugins QEMU: it runs a program with the plugin and leaves a count behind.
loads_plugins() {
    rm -f "$work/probe"
    "$1" -cpu "$cpu" -plugin "$plugin,out=$work/probe" "$program" --version >"$work/probe.log" 2>&1 && [ -s "$work/probe" ]
}

fetch_qemu() {
    local version
    version=$(apt-cache madison qemu-user 2>/dev/null | awk -F'|' '$2 ~ /^ *1:7\.2/ { gsub(/ /, "", $2); print $2; exit }')
    [ -n "$version" ] || fail "no QEMU that loads plugins: qemu-aarch64 here does not, and apt knows no qemu-user 7.2.
Name one by QEMU_AARCH64=/path/to/qemu-aarch64; Debian 12's package qemu-user 7.2 holds one."
    echo "per-token: fetching qemu-user $version, which loads plugins" >&2
    rm -rf "$work/qemu"
    mkdir -p "$work/qemu"
    (cd "$work/qemu" && apt-get download -q "qemu-user=$version" >"$work/fetch.log" 2>&1) ||
        { cat "$work/fetch.log" >&2; fail "apt-get download qemu-user=$version failed"; }
    dpkg-deb --fsys-tarfile "$work"/qemu/qemu-user_*.deb | tar -x -C "$work/qemu" ./usr/bin/qemu-aarch64
}

if [ -n "${QEMU_AARCH64:-}" ]; then
    qemu=$QEMU_AARCH64
elif loads_plugins qemu-aarch64; then
    qemu="qemu-aarch64"
else
    qemu=$work/qemu/usr/bin/qemu-aarch64
    [ -x "$qemu" ] || fetch_qemu
fi
loads_plugins "$qemu" || { cat "$work/probe.log" >&2; fail "$qemu: expected it to load a plugin and to be a $cpu"; }

# ---- Two runs and their difference -----------------------------------------------------------------------------

for n in 2 6; do
    "$qemu" -cpu "$cpu" -plugin "$plugin,out=$work/$n.txt" \
        "$program" bench "$model" --prompt-tokens 4 --n-tokens $n --threads 1 >"$work/$n.log" 2>&1 ||
        { cat "$work/$n.log" >&2; fail "ternlet bench failed"; }
done
grep '^backend' "$work/6.log" || true
awk 'NR == FNR { two[$2] = $1; next } { print $1 - two[$2], $2 }' "$work/2.txt" "$work/6.txt" |
    aarch64-linux-gnu-c++filt | sed -E 's/::h[0-9a-f]{16}$//' |
    awk '{ n = $1 / 4; $1 = ""; total += n; count[$0] += n }
        END {
            printf "%16.1f  100.00 %%  all functions\n", total
            for (name in count)
                if (count[name] >= 1) printf "%16.1f  %6.2f %% %s\n", count[name], 100 * count[name] / total, name
        }' | sort -k 1,1nr | head -n 40
