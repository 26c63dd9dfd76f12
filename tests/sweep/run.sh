#!/usr/bin/env bash
# Every sweep of a built tree: programs that were built from tests/sweep/sweep_*.c and scripts tests/sweep/sweep_*.py.
# Figures go to build/evidence/; the exit code tells whether one failed.
#
#   tests/sweep/run.sh BUILD [NAME...]     only sweep_NAME
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/dev}
shift || true
mkdir -p build/evidence
FQ_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || true)
export FQ_COMMIT
failed=0

wanted() {
    [ $# -eq 1 ] && return 0
    local name=$1 one
    shift
    for one in "$@"; do
        [ "sweep_$one" = "$name" ] && return 0
    done
    return 1
}

for source in tests/sweep/sweep_*.c tests/sweep/sweep_*.py; do
    name=$(basename "${source%.*}")
    wanted "$name" "$@" || continue
    echo "== $name"
    case $source in
    *.c) nice -n 19 "$build/tests/sweep/$name" --evidence "build/evidence/${name#sweep_}.json" || failed=1 ;;
    *.py) nice -n 19 python3 -B "$source" "$build" || failed=1 ;;
    esac
done
exit $failed
