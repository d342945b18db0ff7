#!/usr/bin/env bash
# Fuzzes a target for some seconds, guided by coverage, in an optimised build, so that every engine is in it. The corpus
# stays in fuzz/corpus; an input that fails is kept in fuzz/artifacts, to be copied to fuzz/seeds. Each target ends with a
# line of JSON on standard output; exits 1 if one failed. Every run begins with the seeds, which `make test` replays as
# well; there, the target `peers` has no Wasmtime to compare with.
#   scripts/fuzz.sh SECONDS TARGET...
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=$1; shift

say() { echo "fuzz: $*" >&2; }

host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
features=fuzzer
case " $* " in *" peers "*) features=fuzzer,wasmtime ;; esac
say "building $* ..."
bins=()
for target in "$@"; do bins+=(--bin "$target"); done
# The compiler lets coverage in only when told that it is a nightly one.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=$coverage cargo build --locked --release --target "$host" --features "$features" "${bins[@]}" >&2

failed=0
for target in "$@"; do
    say "$target for $seconds s ..."
    mkdir -p "corpus/$target" "artifacts/$target"
    log=$(mktemp)
    crashes=0
    "target/$host/release/$target" "corpus/$target" "seeds/$target" -max_total_time="$seconds" -timeout=60 \
        -rss_limit_mb=4096 -max_len=4096 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="artifacts/$target/" >"$log" 2>&1 || { crashes=1; failed=1; tail -40 "$log" >&2; }
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rm -f "$log"
    echo "{\"harness\":\"fuzz\",\"target\":\"$target\",\"seconds\":$seconds,\"executions\":${executions:-0},\"crashes\":$crashes}"
done
exit "$failed"
