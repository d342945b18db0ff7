#!/usr/bin/env bash
# Installs the anvil that a test forks and `make bench-rpc` compares with from npm into tests/anvil/node_modules, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/../tests/anvil"

command -v npm >/dev/null || ../../scripts/apt.sh nodejs npm
if ! cmp -s package-lock.json node_modules/.installed; then
    echo "Installing anvil from npm..." >&2
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.installed
fi
# The package of the platform holds the binary; the one that chooses it is a script.
ls "$PWD"/node_modules/@foundry-rs/anvil-*/bin/anvil
