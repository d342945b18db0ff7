#!/usr/bin/env bash
# Builds RocksDB's C++ once and keeps it, so that no cargo profile ever compiles it again.
#
#   scripts/rocksdb.sh          build it if it is not there, print the directory that holds librocksdb.a
#   scripts/rocksdb.sh --path   print that directory without building
#
# The directory's name holds everything the library depends on: version, features, compiler flags.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n '/^name = "librocksdb-sys"$/{n;s/^version = "\(.*\)"$/\1/p;}' Cargo.lock)
features=lz4
# Hardware CRC32C: every x86-64 since 2008 has it, and RocksDB checks a sum on every read.
case "$(uname -m)" in
    x86_64) target_features=+sse4.2 ;;
    aarch64) target_features=+crc,+aes ;;
    *) target_features= ;;
esac
flags=O3${target_features//[^a-z0-9.]/-}
cache=$(realpath -m "${LATHE_CACHE:-$HOME/.cache/lathe}")
dir="$cache/rocksdb-$version-$features-$flags-$(uname -m)"

if [ "${1:-}" = --path ]; then echo "$dir"; exit 0; fi
if [ -s "$dir/librocksdb.a" ]; then echo "$dir"; exit 0; fi

mkdir -p "$dir"
log="$dir/build.log"
{
    echo "Building RocksDB ${version#*+} once; it is kept in $dir."
    echo "This takes 10 to 15 minutes on two cores; later builds link it in a second. Log: $log"
} >&2

start=$SECONDS
ROCKSDB_COMPILE=1 \
    RUSTFLAGS="${target_features:+-Ctarget-feature=$target_features}" \
    cargo build --locked --release -p librocksdb-sys \
    --target-dir "$dir/build" >"$log" 2>&1 &
build=$!
while kill -0 "$build" 2>/dev/null; do
    sleep 5
    elapsed=$((SECONDS - start))
    # The C++ compiler leaves one object a source file: that is the progress.
    objects=$(find "$dir/build" -name '*.o' -path '*librocksdb-sys*' 2>/dev/null | wc -l)
    [ $((elapsed % 30)) -ge 5 ] || printf '  RocksDB: %3d of about 345 files, %d:%02d\n' \
        "$objects" $((elapsed / 60)) $((elapsed % 60)) >&2
done
if ! wait "$build"; then
    tail -n 30 "$log" >&2
    echo "RocksDB did not build; the whole log is in $log" >&2
    exit 1
fi
lib=$(find "$dir/build" -name librocksdb.a -path '*librocksdb-sys*' | head -n 1)
mv "$lib" "$dir/librocksdb.a.tmp" && mv "$dir/librocksdb.a.tmp" "$dir/librocksdb.a"
rm -rf "$dir/build"
echo "RocksDB is built ($(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s)." >&2
echo "$dir"
