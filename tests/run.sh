#!/usr/bin/env bash
# Every test of a built tree: C (ctest: unit, lint, e2e), then Python. Ends with one line that counts them all.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/dev}
failed=0

ctest --test-dir "$build" --output-on-failure -j "$(nproc)" || failed=1
tests/python/run.sh "$build" || failed=1

if [ "$failed" != 0 ]; then
    echo "make test: FAILED (see above)"
    exit 1
fi
echo "make test: every test passed"
