#!/usr/bin/env bash
# The unit tests under valgrind: no invalid access, no use of what was never set, no leak; and, where a program opens files,
# none left open. Exits 1 and shows what was found.
#   tools/check_memory.sh [BUILD]      FASTQUEUE_VALGRIND_TESTS='test_a test_b' judges only these
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/dev}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Tests that valgrind cannot judge, each with the reason.
left_out="
test_otlp_fork           forks in the middle of threads; valgrind runs one at a time, and the waits would be other ones
test_otel_fork           as above
test_otel_trace_threads  threads that race on purpose; ThreadSanitizer judges them
test_metrics_threads     as above
test_ring                as above
test_journal_posix       as above: the journal's own thread
test_otel_batch          its forked child ends at once, with all that it has of its parent
test_process             as above, where there is nothing to execute
test_runner              executes runner processes, which have tests of their own
test_engine_walk         random walks of many steps, an hour here; AddressSanitizer walks them
test_engine_due          as above
test_journal_crash       as above
test_journal_damage      as above, with each byte of a journal
"
# What may stay open at the end: the three standard descriptors, and those inherited from whoever started this.
judge() {
    local name=$1
    # What a forked child leaves of its parent's threads is the system's to take back.
    valgrind --quiet --child-silent-after-fork=yes --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
        --errors-for-leak-kinds=definite,indirect --track-fds=yes --log-file="$logs/$name.valgrind" \
        "$build/tests/$name" >"$logs/$name.out" 2>&1
    local code=$?
    # A descriptor that the program itself opened has a stack below it.
    local open_files
    open_files=$(grep -c 'Open file descriptor' "$logs/$name.valgrind")
    local inherited
    inherited=$(grep -c '<inherited from parent>' "$logs/$name.valgrind")
    if [ "$code" = 99 ] || [ "$open_files" -gt "$inherited" ]; then
        echo "check_memory: $name:"
        cat "$logs/$name.valgrind"
        touch "$logs/failed.$name"
    elif [ "$code" != 0 ]; then
        echo "check_memory: $name fails under valgrind (code $code):"
        tail -n 20 "$logs/$name.out"
        touch "$logs/failed.$name"
    fi
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
failed=$(find "$logs" -name 'failed.*' | wc -l)
echo "check_memory: left out:$left_out"
echo "check_memory: $count test programs; $failed with findings"
[ -n "${FASTQUEUE_VALGRIND_TESTS:-}" ] || python3 -c "
import sys; sys.path.insert(0, 'tools')
import checks
checks.record('valgrind', $failed, 'test programs with findings of $count', '0', $failed == 0)"
[ "$failed" = 0 ]
