#!/usr/bin/env bash
# Builds with a sanitizer preset and runs what it can judge: asan = unit and end to end, tsan = what has threads.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?asan or tsan}
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
cmake --preset "$preset" "${launcher[@]}" >/dev/null
cmake --build "build/$preset" -j "$(nproc)"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp
# Kills and long tasks prove nothing more under a sanitizer: fewer of them.
export FASTQUEUE_KILLS=12 FASTQUEUE_STORM_SECONDS=5

judge() { # ROW CTEST-ARGUMENTS...: runs the tests, leaves a row in build/evidence/checks.json
    local row=$1 code=0 failed=0 count
    local list=build/$preset/Testing/Temporary/LastTestsFailed.log
    shift
    rm -f "$list"
    count=$(ctest --test-dir "build/$preset" -N "$@" | sed -n 's/^Total Tests: //p')
    ctest --test-dir "build/$preset" "$@" --output-on-failure -j "$(nproc)" || code=$?
    [ "$code" = 0 ] || failed=$(wc -l <"$list")
    tools/checks.py "$row" "$failed" "tests with findings of $count"
    return "$code"
}

case "$preset" in
asan) judge asan-ubsan -L 'unit|e2e' -E 'stock_clients|worker_fairness' ;;
tsan)
    # The journal's thread, the board's two sides, telemetry's queue and spans, and whole programs around them.
    judge tsan \
        -R 'unit.test_(otel_batch|otlp_(grpc|http|retry|hostile|tls|fork)|otel_trace_threads|journal_posix|board|ring|slot|client|uv_driver)|e2e.test_(server|compaction|own_worker|kill9|worker_kills)'
    ;;
esac
