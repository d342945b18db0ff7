#!/usr/bin/env bash
# Runs the tests of the VM under AddressSanitizer. The tail backend is left out of such builds; the loop backend has the
# same handlers. The last line of output is JSON; exits 1 if anything failed.
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# The compiler lets sanitizers in only when told that it is a nightly one. Stacks are larger under the sanitizer than
# what the test of the host stack allows, and the linker cannot tell machine code by its symbols there.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address RUSTDOCFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan \
    cargo test --locked --target "$host" -p lathe-vm --lib --test gas --test host --test hostile --test nan --test observer \
    --test refusals --test inspect --test bombs --no-fail-fast 2>&1 | tee "$log" >&2 || status=1
passed=$(sed -n 's/^test result: .* \([0-9]*\) passed.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
failed=$(sed -n 's/^test result: .* \([0-9]*\) failed.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
reports=$(grep -c 'ERROR: AddressSanitizer' "$log" || true)
echo "{\"harness\":\"asan\",\"passed\":$passed,\"failed\":$failed,\"reports\":$reports}"
exit "$status"
