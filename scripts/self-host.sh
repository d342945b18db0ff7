#!/usr/bin/env bash
# Builds the VM for wasm32 and runs kernels in Lathe inside Lathe: results and ink must be those of a native run.
# The compiler is found as in scripts/contracts.sh, which downloads it once if need be. The last line of output is JSON.
set -euo pipefail
cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown
toolchain="${LATHE_CACHE:-$HOME/.cache/lathe}/wasm-toolchain"
guest=tests/self-host/target/$target/release/lathe_self_host.wasm

say() { echo "$*" >&2; }

build() { # flags for cargo
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET -u CARGO_TARGET_DIR \
        cargo build --locked --release --target "$target" --manifest-path tests/self-host/Cargo.toml \
        --target-dir tests/self-host/target "$@" >&2
}

say "building the VM for $target ..."
if [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    build
elif [ -x "$toolchain/usr/bin/rustc" ]; then
    LD_LIBRARY_PATH="$toolchain/usr/lib/x86_64-linux-gnu:$toolchain/usr/lib/llvm-22/lib" \
        RUSTC="$toolchain/usr/bin/rustc" PATH="$toolchain/usr/lib/llvm-22/bin:$PATH" RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld build -Zbuild-std=core,alloc
else
    say "There is no compiler for $target: run 'rustup target add $target', or 'make contracts', which downloads one."
    exit 1
fi
cargo run --quiet --locked --release -p lathe-tests --bin self-host -- "$guest"
