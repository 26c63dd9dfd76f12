#!/usr/bin/env bash
# Every check of the built tree that is no test of behaviour, quick ones first; the last line is the verdict.
#   tools/check.sh [BUILD] [CHECK...]     CHECK: lint binaries cppcheck gcc clang-tidy valgrind (default: all)
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

# A row for a tool that names each finding by file and line.
lint() { # NAME COMMAND...
    local name=$1 output findings
    shift
    output=$("$@" 2>&1)
    local code=$?
    echo "$output"
    findings=$(grep -cE '^[^ ]+:[0-9]+:' <<<"$output")
    [ "$code" = 0 ] && findings=0 || findings=$((findings > 0 ? findings : 1))
    tools/checks.py "$name" "$findings" findings
    return "$code"
}

unset FASTQUEUE_NO_FORMAT # here it is to be checked
for check in "${@:-lint binaries cppcheck gcc clang-tidy valgrind}"; do
    for name in $check; do
        case "$name" in
        lint)
            run formatting lint formatting tools/check_format.sh
            run "include law" lint include-law tools/check_layers.py
            ;;
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
