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
test_crc32c            compares the processor's instruction with the table; valgrind's processor is another
test_otlp_fork         forks in the middle of threads, which valgrind serialises: its waits would be of another world
test_otel_trace_threads the same for threads that race on purpose; ThreadSanitizer judges it
test_ring              as above
test_journal_posix     as above: the journal's own thread
test_c_runner          executes runner processes, which have tests of their own
test_runner            as above
test_supervisor        as above
"
# What may stay open at the end: the three standard descriptors, and those inherited from whoever started this.
judge() {
    local name=$1
    valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
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
python3 -c "
import sys; sys.path.insert(0, 'tools')
import checks
checks.record('valgrind', $failed, 'test programs with findings of $count', '0', $failed == 0)"
[ "$failed" = 0 ]
