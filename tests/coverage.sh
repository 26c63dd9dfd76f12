#!/usr/bin/env bash
# Branch coverage of the whole C code: builds with counters, runs every test of it, prints a table by layer.
# COVERAGE_KEEP=1 adds to what an earlier run has counted; COVERAGE_TESTS= names the ctest labels (default: all that run C).
set -uo pipefail
cd "$(dirname "$0")/.."
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
cmake --preset coverage "${launcher[@]}" >/dev/null && cmake --build build/coverage -j "$(nproc)" || exit 1
[ -n "${COVERAGE_KEEP:-}" ] || find build/coverage -name '*.gcda' -delete
# What runs slower with counters needs fewer repetitions to reach the same branches.
export FASTQUEUE_KILLS=${FASTQUEUE_KILLS:-12} FASTQUEUE_STORM_SECONDS=${FASTQUEUE_STORM_SECONDS:-5}
failed=0
# What is installed exports the counters' own symbols, so the test of those is for other builds.
ctest --test-dir build/coverage -L "${COVERAGE_TESTS:-unit|e2e|otel|faults|sim|sweep}" -E e2e.test_install --timeout 600 --output-on-failure \
    -j "$(nproc)" || failed=1
# The documents that the program prints about itself.
ctest --test-dir build/coverage -R '^lint.document_(cli|configuration|roles)$' --output-on-failure || failed=1
# Processes that have dropped their privileges count as well.
find build/coverage -name '*.gcda' -exec chmod a+rw {} +
ctest --test-dir build/coverage -R e2e.test_privileges >/dev/null || failed=1
tests/sweep/sweep_unit_allocations.py build/coverage --points 30 --longest 10 || failed=1
tests/python/run.sh build/coverage || failed=1
tools/coverage.py build/coverage || failed=1
[ "$failed" = 0 ] || echo "make coverage: FAILED (see above)"
exit "$failed"
