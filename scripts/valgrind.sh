#!/usr/bin/env bash
# Runs suites of the Wasm test suite under valgrind's memcheck, on every engine of an optimised build: valgrind needs no
# instrumented code, so the tail backend is in it. The last line of output is JSON; exits 1 if memory was misused.
#   scripts/valgrind.sh TEST   the name of a test of tests/tests/spec
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || scripts/apt.sh valgrind
test=$1
binary=$(cargo test --locked --release -p lathe-tests --no-default-features --test spec --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
(cd tests && valgrind --error-exitcode=9 --leak-check=no --suppressions=../scripts/valgrind.supp --log-file="$log" "$binary" --test-threads=1 "$test") >&2 || status=$?
tail -5 "$log" >&2
errors=$(sed -n 's/.*ERROR SUMMARY: \([0-9]*\) errors.*/\1/p' "$log" | tail -1)
echo "{\"harness\":\"valgrind\",\"test\":\"$test\",\"errors\":${errors:-1}}"
[ "$status" = 0 ]
