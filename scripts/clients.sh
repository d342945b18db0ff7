#!/usr/bin/env bash
# Installs the clients that the end-to-end tests drive (cast, viem) from npm into tests/clients/node_modules.
set -euo pipefail
cd "$(dirname "$0")/../tests/clients"

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    ../../scripts/apt.sh nodejs npm
fi
if ! cmp -s package-lock.json node_modules/.installed; then
    echo "Installing cast, viem and ethereumjs from npm..." >&2
    npm ci --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.installed
fi
