#!/usr/bin/env bash
# Builds the Rust contracts to the .wasm files beside their sources, and tells whether those are up to date.
#
#   scripts/contracts.sh [--build]   build, replace the .wasm files, rewrite contracts/SHA256SUMS
#   scripts/contracts.sh --check     compare .wasm files and sources with contracts/SHA256SUMS; builds nothing (seconds)
#   scripts/contracts.sh --compare   build in another directory and compare the bytes with the .wasm files
#   scripts/contracts.sh --cargo ... run cargo with a compiler that can build `core` for Wasm, in the current directory
#
# The compiler is rustup's, if it has the target wasm32-unknown-unknown; else Debian's rustc with its own sources, which
# is downloaded once and unpacked side by side (needs apt-get, not root; the system's Rust is not touched).
# LATHE_WASM_RUST=rustup or =debian chooses. The two make different bytes; SHA256SUMS names the one that was used, and
# --compare refuses to compare with the other. The last line of output is JSON.
set -euo pipefail
called_in=$PWD
cd "$(dirname "$0")/.."
repository=$PWD
sums=contracts/SHA256SUMS
target=wasm32-unknown-unknown
toolchain="${LATHE_CACHE:-$HOME/.cache/lathe}/wasm-toolchain"
toolchain_packages="rustc-web libstd-rust-web-1.96 libstd-rust-web-dev rust-web-src libllvm22 lld-22"
# Every committed contract: directory, and the parts of std it is built with.
contracts="calculator:core,alloc counter:std,panic_abort erc20:std,panic_abort erc721:std,panic_abort
    cabinet:std,panic_abort exchange:std,panic_abort proxy:std,panic_abort factory:std,panic_abort
    probe:std,panic_abort"

say() { echo "$*" >&2; }
finish() { # status, what happened
    printf '{"harness":"contracts","mode":"%s","status":"%s","contracts":%d,"detail":"%s","seconds":%d}\n' \
        "$mode" "$1" "$(wc -w <<<"$contracts")" "$2" "$SECONDS"
    [ "$1" = ok ] || exit 1
}

# Prints one hash over all that decides what a contract's bytes are, but for the compiler.
sources_hash() {
    (cd contracts && {
        find "$1/src" "$1/Cargo.toml" -type f
        # Only the calculator speaks SCALE.
        [ "$1" != calculator ] || find scale/src scale/Cargo.toml -type f
        printf '%s\n' Cargo.toml Cargo.lock .cargo/config.toml
    } | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
}

# Prints the checksum list for the .wasm files in the directory $1, made by the compiler $2.
checksums() {
    echo "# What scripts/contracts.sh built. \`sha256sum -c SHA256SUMS\` checks the modules; --check the sources, too."
    echo "# compiler $2"
    for contract in $contracts; do
        name=${contract%%:*}
        echo "# sources $(sources_hash "$name") $name"
        (cd "$1" && sha256sum "$name/$name.wasm")
    done
}

# Sets `compiler` (a line that names it), `build_flags` and the environment for cargo.
find_compiler() {
    local wanted=${LATHE_WASM_RUST:-}
    if [ "$wanted" != debian ] && [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
        compiler=$(rustc --version)
        immediate_abort=
        return
    fi
    [ "$wanted" != rustup ] || { say "rustup has no $target here: rustup target add $target"; finish failed "no compiler"; }
    if [ ! -x "$toolchain/usr/bin/rustc" ]; then
        say "rustup has no $target here. Downloading Debian's rustc (140 MB) to $toolchain ..."
        rm -rf "$toolchain.part" && mkdir -p "$toolchain.part/deb"
        # shellcheck disable=SC2086 # one word each
        if ! (cd "$toolchain.part/deb" && apt-get download $toolchain_packages >&2); then
            say "apt-get could not download these packages (they are in Debian 12's security archive; is 'apt-get update' due?)"
            say "On other systems: rustup target add $target"
            finish failed "no compiler"
        fi
        for package in "$toolchain.part"/deb/*.deb; do dpkg -x "$package" "$toolchain.part"; done
        rm -rf "$toolchain.part/deb" "$toolchain" && mv "$toolchain.part" "$toolchain"
    fi
    export LD_LIBRARY_PATH="$toolchain/usr/lib/x86_64-linux-gnu:$toolchain/usr/lib/llvm-22/lib"
    export RUSTC="$toolchain/usr/bin/rustc" PATH="$toolchain/usr/lib/llvm-22/bin:$PATH"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld
    # Lets the release compiler build its own std, and leave all panic messages out of it (a third of the size).
    export RUSTC_BOOTSTRAP=1
    immediate_abort='"-Zunstable-options", "-Cpanic=immediate-abort",'
    compiler=$("$RUSTC" --version)
}

# Builds every contract of the workspace $1 and leaves $2/<name>/<name>.wasm.
build() {
    local workspace=$1 out=$2 sysroot cargo_home flags name std_parts
    sysroot=$("${RUSTC:-rustc}" --print sysroot)
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    # No path of this machine may reach the bytes. These flags come after those of contracts/.cargo/config.toml.
    flags="[$immediate_abort \"--remap-path-prefix=$workspace=/contracts\",
        \"--remap-path-prefix=$cargo_home=/cargo\", \"--remap-path-prefix=$sysroot=/rust\"]"
    for contract in $contracts; do
        name=${contract%%:*} std_parts=${contract#*:}
        say "building $name with $compiler ..."
        # Flags in these variables would replace ours.
        (cd "$workspace" && env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET -u CARGO_TARGET_DIR \
            cargo build --locked --release --target "$target" -p "lathe-$name" --target-dir target \
            --config "target.$target.rustflags=$flags" \
            ${immediate_abort:+"-Zbuild-std=$std_parts"} >&2)
        install -D -m 644 "$workspace/target/$target/release/lathe_$name.wasm" "$out/$name/$name.wasm"
    done
}

case "${1:---build}" in
--check)
    mode=check
    recorded=$(sed -n 's/^# compiler //p' "$sums")
    if diff -u --label "$sums" --label "what is there" "$sums" <(checksums contracts "$recorded") >&2; then
        finish ok "modules and sources are those of $sums"
    else
        say "Run scripts/contracts.sh and commit what it changes."
        finish failed "modules or sources differ from $sums"
    fi
    ;;
--build)
    mode=build
    find_compiler
    build "$repository/contracts" "$repository/contracts"
    checksums contracts "$compiler" >"$sums"
    grep -v '^#' "$sums" >&2
    finish ok "built with $compiler"
    ;;
--compare)
    mode=compare
    find_compiler
    recorded=$(sed -n 's/^# compiler //p' "$sums")
    if [ "$compiler" != "$recorded" ]; then
        finish failed "cannot compare: $sums was made by $recorded, this is $compiler"
    fi
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    # A copy at another path: were a path in the bytes, it would show.
    tar -C contracts --exclude=./target -cf - . | tar -C "$scratch" -xf -
    build "$scratch" "$scratch"
    if diff -u --label "$sums" --label "built anew" "$sums" <(checksums "$scratch" "$compiler") >&2; then
        finish ok "a second build has the same bytes"
    else
        finish failed "a second build has other bytes"
    fi
    ;;
--cargo)
    mode=cargo
    shift
    find_compiler
    # Debian's compiler builds the library itself.
    [ -z "$immediate_abort" ] || export CARGO_UNSTABLE_BUILD_STD=core
    cd "$called_in"
    exec cargo "$@"
    ;;
*)
    sed -n '2,14s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
