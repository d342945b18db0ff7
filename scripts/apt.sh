#!/usr/bin/env bash
# Installs Debian packages, as root or through sudo; says what to do where neither is possible.
#   scripts/apt.sh PACKAGE...
set -euo pipefail

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "missing: $*. Neither root nor sudo is there; have them installed: apt-get install $*" >&2
        exit 1
    fi
    as_root=sudo
fi
command -v apt-get >/dev/null || { echo "missing: $*. apt-get is not there; install them by hand" >&2; exit 1; }
echo "Installing $* ..." >&2
log=$(mktemp)
if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "apt-get could not install $*; the whole log is in $log" >&2
    exit 1
fi
rm -f "$log"
