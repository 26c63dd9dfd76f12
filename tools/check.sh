#!/usr/bin/env bash
# Every check of the built tree that is no test of behaviour, quick ones first; the last line is the verdict.
#   tools/check.sh [BUILD] [CHECK...]     CHECK: binaries gcc cppcheck clang-tidy valgrind (default: all)
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/dev}
shift || true
failed=""

run() { # NAME COMMAND...
    local name=$1
    shift
    printf '\n=== %s (%s)\n' "$name" "$(date -u +%H:%M:%S)"
    "$@" || failed="$failed $name"
}

for check in "${@:-binaries cppcheck gcc clang-tidy valgrind}"; do
    for name in $check; do
        case "$name" in
        binaries) run "hardening, symbols, dependencies" ctest --test-dir "$build" -L check --output-on-failure ;;
        cppcheck | gcc | clang-tidy) run "$name" tools/check_analyzers.py "$name" "$build" ;;
        valgrind) run valgrind tools/check_memory.sh "$build" ;;
        *)
            echo "check: there is no check '$name'" >&2
            exit 2
            ;;
        esac
    done
done
if [ -n "$failed" ]; then
    echo "make check: FAILED:$failed"
    exit 1
fi
echo "make check: nothing found"
