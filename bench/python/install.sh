#!/usr/bin/env bash
# Installs the Python peers that Debian does not have (requirements.txt) for Debian's own interpreter, into build/bench/venv.
# What cannot be installed is told; the suite then skips it aloud.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=build/bench/venv
stamp="$venv/requirements.txt"
cmp -s bench/python/requirements.txt "$stamp" && exit 0
mkdir -p build/bench
if /usr/bin/python3 -m venv "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r bench/python/requirements.txt; then
    cp bench/python/requirements.txt "$stamp"
else
    echo "bench: the Python peers of bench/python/requirements.txt could not be installed and will be skipped" >&2
fi
