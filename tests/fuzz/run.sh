#!/usr/bin/env bash
# Fuzzes every reader of foreign bytes, ten minutes each: `bash tests/fuzz/run.sh [TARGET...] [SECONDS]`.
#
# Targets are the folders of tests/fuzz/corpus. Each runs under AddressSanitizer with overflow checks, on inputs of at
# most its length, 2 GiB of memory and a minute an input. What is found goes to target/fuzz/artifacts/TARGET and ends
# the run with status 1; inputs that reach further are kept in target/fuzz/corpus/TARGET for the next run. Installs
# cargo-fuzz if it is missing. Ends with a line per target: inputs run, edges covered, inputs a second.
set -euo pipefail
cd "$(dirname "$0")/../.."

target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=$target_dir/fuzz
# cargo-fuzz passes flags that only a nightly compiler takes; with this any compiler does.
export RUSTC_BOOTSTRAP=1

fail() { echo "fuzz: $*" >&2; exit 1; }

seconds=600
targets=()
for word in "$@"; do
    if [[ $word =~ ^[0-9]+$ ]]; then
        seconds=$word
    elif [ -d "tests/fuzz/corpus/$word" ]; then
        targets+=("$word")
    else
        fail "expected one of $(ls -x tests/fuzz/corpus) or a number of seconds, found '$word'"
    fi
done
if [ ${#targets[@]} -eq 0 ]; then
    for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz"
    cargo install cargo-fuzz --locked ||
        fail "cargo-fuzz could not be installed: 'cargo install cargo-fuzz' needs crates.io and a C++ compiler"
fi
host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
    x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu) ;;
    *) fail "expected 64-bit Linux, found $host" ;;
esac

# The dependencies that the product has, in the same versions; the fuzzer's own are added.
cp Cargo.lock tests/fuzz/Cargo.lock

# A scope's end does not wait until its threads have given back their own few bytes: no leak, but reported as one.
limits=(-rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=60 -detect_leaks=0)

# max_len TARGET: of an input, in bytes; model files have a page before their payload.
max_len() { case $1 in model) echo 24576 ;; *) echo 16384 ;; esac; }

status=0
summary=()
for name in "${targets[@]}"; do
    echo "== $name, $seconds s"
    mkdir -p "$out/corpus/$name" "$out/artifacts/$name"
    log=$out/$name.log
    cargo fuzz build --fuzz-dir tests/fuzz --target-dir "$out" --target "$host" "$name"
    result=clean
    cargo fuzz run --fuzz-dir tests/fuzz --target-dir "$out" --target "$host" "$name" \
        "$out/corpus/$name" "tests/fuzz/corpus/$name" -- \
        -artifact_prefix="$out/artifacts/$name/" -max_total_time="$seconds" -max_len="$(max_len "$name")" \
        "${limits[@]}" -print_final_stats=1 >"$log" 2>&1 || result=FINDING
    [ $result = clean ] || { tail -n 60 "$log"; status=1; }
    summary+=("$(awk -v name="$name" -v result=$result '
        /cov: [0-9]+/ { for (i = 1; i < NF; i++) if ($i == "cov:") covered = $(i + 1) }
        /^stat::number_of_executed_units/ { run = $2 }
        /^stat::average_exec_per_sec/ { speed = $2 }
        END { printf "%-14s %-8s %10d inputs %6d edges %6d inputs/s", name, result, run, covered, speed }' "$log")")
done
echo
printf '%s\n' "${summary[@]}"
exit $status
