#!/usr/bin/env bash
# Branch coverage of the whole C code: builds with counters, runs every test of it, prints a table by layer.
# COVERAGE_KEEP=1 adds to what an earlier run has counted; COVERAGE_TESTS= names the ctest labels (default: unit|e2e|sim|sweep).
set -uo pipefail
cd "$(dirname "$0")/.."
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
cmake --preset coverage "${launcher[@]}" >/dev/null && cmake --build build/coverage -j "$(nproc)" || exit 1
[ -n "${COVERAGE_KEEP:-}" ] || find build/coverage -name '*.gcda' -delete
# What runs slower with counters needs fewer repetitions to reach the same branches.
export FASTQUEUE_KILLS=${FASTQUEUE_KILLS:-12} FASTQUEUE_STORM_SECONDS=${FASTQUEUE_STORM_SECONDS:-5}
failed=0
ctest --test-dir build/coverage -L "${COVERAGE_TESTS:-unit|e2e|sim|sweep}" --output-on-failure -j "$(nproc)" || failed=1
tests/python/run.sh build/coverage || failed=1
tools/coverage.py build/coverage || failed=1
[ "$failed" = 0 ] || echo "make coverage: FAILED (see above)"
exit "$failed"
