#!/usr/bin/env bash
# Passes every test: installs what they need, then runs them all, on this machine and on emulated Arm boards.
#
#   bash tests/run-all.sh            every part, in the order below
#   bash tests/run-all.sh PART...    only these parts
#
# A part's whole output goes to target/run-all/PART.log; shown are the closing lines of its test programs and, when
# it fails, the end of its log. Ends with a line per part and `N passed, N failed`, where a part that is one check
# (lints, docs, a build) counts as one test. Exit status 1 if anything failed.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=(setup shell format lint docs host first-prompt cortex-a53 cortex-a76 neoverse-n2 no-std bare-metal counts)
[ $# -eq 0 ] || parts=("$@")

export CARGO_TERM_COLOR=never
logs=${CARGO_TARGET_DIR:-target}/run-all
mkdir -p "$logs"
passed=0 failed=0 broken=false
summary=()

# closing_lines LOG: each test program that ran any test, with its result; what the setup did; failed tests.
closing_lines() {
    awk '/^ +(Running|Doc-tests) / { program = $0 }
        /^test result: ok. 0 passed; 0 failed;/ { next }
        /^test result:/ { print program; print }
        /^test .* FAILED$|^setup: |^first-prompt: / { print }' "$1"
}

# count LOG STATUS: sets p and f, the tests that LOG's closing lines name; a part without any counts as one test.
count() {
    read -r p f < <(awk '/^test result:/ { p += $4; f += $6 } END { print p + 0, f + 0 }' "$1")
    if [ "$2" -eq 0 ] && [ $((p + f)) -eq 0 ]; then p=1; fi
    if [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
}

for part in "${parts[@]}"; do
    echo "== $part"
    log=$logs/$part.log status=0 start=$SECONDS
    bash tests/part.sh "$part" >"$log" 2>&1 </dev/null || status=$?
    closing_lines "$log"
    result=ok
    if [ "$status" -ne 0 ]; then
        result=FAILED broken=true
        echo "== $part failed with exit status $status; the end of $log:"
        tail -n 60 "$log"
    fi
    count "$log" "$status"
    passed=$((passed + p)) failed=$((failed + f))
    line=$(printf '%-12s %-6s %5d s %6d passed, %d failed' "$part" $result $((SECONDS - start)) "$p" "$f")
    echo "   $line"
    summary+=("$line")
    if [ "$part" = setup ] && $broken; then break; fi # nothing after it could run
done

echo
printf '%s\n' "${summary[@]}"
printf '%-12s %-6s %5d s\n' total "$($broken && echo FAILED || echo ok)" "$SECONDS"
echo "$passed passed, $failed failed"
! $broken
