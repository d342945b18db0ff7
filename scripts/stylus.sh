#!/usr/bin/env bash
# Drives a node with the released cargo-stylus: check, deploy, constructor, trace, replay. Ends with one line of JSON.
#   scripts/stylus.sh PATH_TO_LATHE [--record]
# cargo-stylus is installed once, beside the other things that are built once. --record keeps its requests and their answers
# in tests/fixtures, where `make test` replays them.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.10.10
home="${LATHE_CACHE:-$HOME/.cache/lathe}/cargo-stylus-$version"

if [ ! -x "$home/bin/cargo-stylus" ]; then
    echo "Installing cargo-stylus $version to $home (takes some ten minutes)..." >&2
    # -rdynamic: `replay` loads the contract as a library, which calls host functions of the executable.
    RUSTFLAGS="-Clink-args=-rdynamic" cargo install cargo-stylus --version "$version" --locked --root "$home" --target-dir "$home/target" >&2
    rm -rf "$home/target"
fi
cargo build --quiet --locked --release -p lathe-tests --no-default-features --bin stylus
PATH="$PWD/scripts/wasm-cargo:$PATH" exec target/release/stylus "$1" "$home/bin/cargo-stylus" "$version" "${@:2}"
