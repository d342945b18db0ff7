#!/usr/bin/env bash
# Runs the tests and ends with one line: N passed, N failed, N skipped.
#   scripts/test.sh quick   formatting and the crates that need no RocksDB
#   scripts/test.sh all     these, lints, documentation, contracts, RocksDB, real clients, kill -9
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a command that either holds or does not.
check() {
    local name=$1; shift
    echo "== $name" >&2
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
    else
        cat "$log" >&2
        echo "FAILED: $name" >&2
        failed=$((failed + 1))
    fi
}

# Runs cargo test and adds up its result lines.
tests() {
    local name=$1; shift
    echo "== $name" >&2
    cargo test --locked "$@" 2>&1 | tee "$log" | grep -vE '^(test .* \.\.\. ok|running [0-9]+ tests?|)$' >&2
    local status=${PIPESTATUS[0]} counts
    counts=$(sed -n 's/^test result: [a-zA-Z]*\. \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored.*/\1 \2 \3/p' "$log" |
        awk '{p += $1; f += $2; i += $3} END {print p + 0, f + 0, i + 0}')
    read -r p f i <<<"$counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + i))
    # What did not even build, or died, has no result line.
    [ "$status" = 0 ] || [ "$f" != 0 ] || { echo "FAILED: $name" >&2; failed=$((failed + 1)); }
}

quick() {
    check "formatting" cargo fmt --all -- --check
    tests "gas, vm, state: no RocksDB" -p lathe-gas -p lathe-vm -p lathe-state --no-default-features
    tests "handlers end in jumps, in a release build too" --release -p lathe-vm --test machine_code --test host_stack
    tests "the Wasm spec suite, and the engines against each other" -p lathe-tests --no-default-features --lib --test spec --test kernels --test oracle
    check "kernels are what their sources build" scripts/kernels.sh --check
    tests "node: in memory" -p lathe-node --no-default-features --features server
    tests "contracts: the built modules, in the sandbox" -p lathe-contracts-tests
}

all() {
    quick
    check "contracts are what their sources build" scripts/contracts.sh --check
    tests "contracts: their logic" --manifest-path contracts/Cargo.toml -p lathe-calculator -p lathe-scale-abi
    tests "fuzz targets over seeds" --manifest-path fuzz/Cargo.toml
    check "lints of the node without its server" cargo clippy --locked -p lathe-node --no-default-features --lib -- -D warnings
    check "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
    check "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
    tests "state: RocksDB" -p lathe-state
    check "lathe builds" cargo build --locked -p lathe-node
    check "20 kills and 5 defects" make --no-print-directory torture KILLS=20
    tests "a node, its clients, and kill -9" -p lathe-tests --test clients --test crash --test db --test errors --test fork --test stylus
}

case "${1:-}" in
    quick) quick ;;
    all) all ;;
    *) echo "usage: scripts/test.sh quick|all" >&2; exit 2 ;;
esac

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
