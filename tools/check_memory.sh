#!/usr/bin/env bash
# The unit tests under valgrind: no invalid access, no use of what was never set, no leak, no descriptor left open; and no
# branch on a secret where secrets are compared. Exits 1 and shows what was found.
#   tools/check_memory.sh [BUILD]      FASTQUEUE_VALGRIND_TESTS='test_a test_b' judges only these
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/dev}
logs=$(mktemp -d)
export FASTQUEUE_TEST_SLOWNESS=10 # what tests that limit time multiply it by
trap 'rm -rf "$logs"' EXIT

# Tests that take hours here, and that AddressSanitizer judges.
left_out="
test_engine_walk         random walks of many steps
test_engine_due          as above
test_journal_crash       a journal at each of its crash points
test_journal_damage      as above, with each byte of it
"
watch() { # LOG PROGRAM: its exit code; what is found goes to LOG.found
    valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
        --track-fds=yes --log-file="$1" "$2" >"$1.out" 2>&1 &
    local pid=$!
    wait "$pid"
    local code=$?
    tools/memory_findings.py "$1" "$pid" >"$1.found" && rm "$1.found"
    return "$code"
}

judge() {
    local name=$1 began=$SECONDS
    watch "$logs/$name" "$build/tests/$name"
    local code=$?
    if [ -e "$logs/$name.found" ]; then
        echo "check_memory: $name:"
        cat "$logs/$name.found"
    elif [ "$code" != 0 ]; then
        echo "check_memory: $name fails under valgrind (code $code):"
        tail -n 20 "$logs/$name.out"
        touch "$logs/$name.found"
    fi
    [ $((SECONDS - began)) -lt 60 ] || echo "check_memory: $name took $((SECONDS - began)) s"
}

# Whether the comparison of secrets branches on them (tests/memory/secret_branches.c); its errors are its own affair.
judge_secrets() {
    local row="branches-on-secrets" failures=1
    if [ ! -x "$build/tests/secret_branches" ]; then
        echo "check_memory: NOT CHECKED: $row: the build had no valgrind/memcheck.h, or has a sanitizer"
        return 1
    fi
    valgrind --quiet --log-file="$logs/secrets" "$build/tests/secret_branches" >"$logs/secrets.out" && failures=0
    [ "$failures" = 0 ] || cat "$logs/secrets.out"
    tools/checks.py "$row" "$failures" findings
    [ "$failures" = 0 ]
}

tests=${FASTQUEUE_VALGRIND_TESTS:-$(cd "$build/tests" && ls -1 | grep '^test_' | grep -v '\.')}
while read -r name _; do
    [ -z "$name" ] || [ -x "$build/tests/$name" ] || { echo "check_memory: $name is left out and does not exist"; exit 1; }
done <<<"$left_out"
running=0 count=0
for name in $tests; do
    [ -x "$build/tests/$name" ] && [ ! -d "$build/tests/$name" ] || continue
    if grep -q "^$name " <<<"$left_out"; then
        continue
    fi
    count=$((count + 1))
    judge "$name" &
    running=$((running + 1))
    if [ "$running" -ge "$(nproc)" ]; then
        wait -n
        running=$((running - 1))
    fi
done
wait
failed=$(find "$logs" -name '*.found' | wc -l)
echo "check_memory: left out, as it would take hours:$left_out"
echo "check_memory: $count test programs; $failed with findings"
[ -z "${FASTQUEUE_VALGRIND_TESTS:-}" ] || exit $((failed > 0)) # some programs are no evidence for all
tools/checks.py valgrind "$failed" "test programs with findings of $count"
judge_secrets && [ "$failed" = 0 ]
