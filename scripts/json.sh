#!/usr/bin/env bash
# Runs a command that prints text among lines of JSON: the JSON goes to standard output, the text to standard error.
# Exits as the command does. A test harness must run with two threads or more: with one it writes into the lines.
#   scripts/json.sh COMMAND...
set -o pipefail
"$@" | awk '/^\{/ { print; fflush(); next } { print > "/dev/stderr" }'
