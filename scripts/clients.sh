#!/usr/bin/env bash
# Installs the clients that the end-to-end tests drive, beside their drivers in tests/clients. Quick when they are there.
#   scripts/clients.sh        cast, viem, ethers, web3.py: what `make test` runs
#   scripts/clients.sh all    web3.js, hardhat 2 and 3, forge and eth-ape, too: what `make test-clients` runs
# npm and pip check every package against the hashes in package-lock.json and requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
apt=$PWD/scripts/apt.sh

install_npm() (
    cd "tests/clients/$1"
    cmp -s package-lock.json node_modules/.installed && exit
    command -v npm >/dev/null && command -v node >/dev/null || "$apt" nodejs npm
    echo "Installing $2 from npm..." >&2
    npm "${3:-ci}" --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.installed
)

install_pip() (
    cd "tests/clients/$1"
    cmp -s requirements.txt .venv/.installed && exit
    echo "Installing $2 from PyPI..." >&2
    rm -rf .venv
    # Debian's Python may be there without the modules that make environments.
    if ! python3 -m venv .venv 2>/dev/null; then
        "$apt" python3 python3-venv
        python3 -m venv .venv
    fi
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --prefer-binary -r requirements.txt >&2
    cp requirements.txt .venv/.installed
)

install_npm . "cast, viem, ethers and ethereumjs"
install_pip . web3.py
case "${1:-}" in
    "") ;;
    all)
        install_npm web3js web3.js
        install_npm hardhat2 "hardhat 2"
        # `npm ci` under a Node older than 22 takes its lock file for incomplete; `install` keeps to it all the same.
        install_npm hardhat3 "hardhat 3 and Node 22" install
        install_npm forge "forge and solc"
        install_pip ape eth-ape
        ;;
    *) echo "usage: scripts/clients.sh [all]" >&2; exit 2 ;;
esac
