#!/usr/bin/env bash
# Builds the kernels of the benches from their sources in tests/kernels, or tells whether the modules are up to date.
#   scripts/kernels.sh           build, replace the .wasm files, rewrite SHA256SUMS (needs clang-19, lld-19 and wabt)
#   scripts/kernels.sh --check   compare .wasm files and sources with SHA256SUMS; builds nothing
set -euo pipefail
cd "$(dirname "$0")/../tests/kernels"

# What both the C and the text kernels must not use, so that every engine of the benches runs them.
flags="--target=wasm32 -O2 -nostdlib -ffreestanding -mno-bulk-memory -mno-simd128 -mno-reference-types -mno-multivalue
    -Wall -Wextra -Werror -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384"

checksums() {
    echo "# What scripts/kernels.sh built. \`sha256sum -c SHA256SUMS\` checks sources and modules."
    echo "# compiler $1"
    sha256sum -- *.h *.c *.wat *.wasm
}

case "${1:---build}" in
--build)
    clang=$(command -v clang-19 || true)
    if [ -z "$clang" ] || ! command -v wat2wasm >/dev/null; then
        ../../scripts/apt.sh clang-19 lld-19 wabt
        clang=$(command -v clang-19)
    fi
    for source in *.c; do
        # shellcheck disable=SC2086 # one word each
        "$clang" $flags -o "${source%.c}.wasm" "$source"
    done
    for source in *.wat; do wat2wasm "$source" -o "${source%.wat}.wasm"; done
    checksums "$("$clang" --version | head -n 1), wabt $(wat2wasm --version)" >SHA256SUMS
    ls -l -- *.wasm | awk '{print $5, $9}' >&2
    ;;
--check)
    sha256sum --quiet -c SHA256SUMS
    ;;
*)
    sed -n '2,4s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
