#!/usr/bin/env bash
# Every test of a built tree: C (ctest: unit, lint, e2e), then Python. Says aloud what was skipped; the last line is the verdict.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/dev}
failed=0

ctest --test-dir "$build" --output-on-failure -j "$(nproc)" || failed=1
# ctest counts a program that skips some of its cases as passed: its log knows better. (pytest names its own.)
skipped=$(awk '/ Testing: / { name = $NF }
               /^(OK|FAILED) \(.*skipped=[0-9]+/ { match($0, /skipped=[0-9]+/); print name ": " substr($0, RSTART + 8, RLENGTH - 8) }
               /^\[  SKIPPED \] [0-9]+ test/ { print name ": " $4 }' "$build/Testing/Temporary/LastTest.log")
mkdir -p "$build/Testing"
report=$(cd "$build/Testing" && pwd)/pytest.xml
rm -f "$report"
tests/python/run.sh "$build" --junitxml="$report" || failed=1
# The features that docs/otel-conformance.md calls supported: each by a test that has just passed.
tools/conformance.py verify "$build" || failed=1

echo "make test: cases skipped by C and end-to-end tests: ${skipped:-none}"
if [ "$failed" != 0 ]; then
    echo "make test: FAILED (see above)"
    exit 1
fi
echo "make test: every test passed"
