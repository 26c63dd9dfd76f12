#!/usr/bin/env bash
# Installs the checkout and the test requirements into a venv of the build tree, then runs the Python tests there.
#   tests/python/run.sh [BUILD] [pytest arguments…]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/dev}
[ $# -gt 0 ] && shift
mkdir -p "$build"
build=$(cd "$build" && pwd)
venv="$build/venv"
python="$venv/bin/python"

[ -x "$python" ] || "${PYTHON:-python3}" -m venv "$venv"
stamp="$venv/requirements.stamp"
if ! cmp -s tests/python/requirements.txt "$stamp"; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/python/requirements.txt 'scikit-build-core>=0.10'
    cp tests/python/requirements.txt "$stamp"
fi
settings=(--config-settings=build-dir="$build/python-package")
# Counters in the tree's own build are wanted in the extension too.
grep -qs '^FQ_COVERAGE:.*=ON' "$build/CMakeCache.txt" && settings+=(--config-settings=cmake.define.FQ_COVERAGE=ON)
# The build directory is kept, so that a second run compiles only what has changed.
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall "${settings[@]}" .
export FASTQUEUE_BINARY="${FASTQUEUE_BINARY:-$build/bin/fastqueue}"
export FASTQUEUE_BUILD="$build"
cd tests/python
exec "$python" -m pytest -c ../../pyproject.toml --rootdir . -p no:cacheprovider "$@" .
