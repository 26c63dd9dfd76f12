#!/usr/bin/env bash
# Prints the figures of docs/benchmarks.md; `bench/run.sh BUILD --quick` in about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
shift || true
echo "fastqueue $(cat VERSION), $(uname -sr), $(nproc) CPUs, $(date -u +%Y-%m-%d)"
exec python3 bench/figures.py "$build" "$@"
