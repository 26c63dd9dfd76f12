#!/usr/bin/env bash
# FastQueue against programs that nobody here wrote: a real OpenTelemetry Collector, Prometheus, Jaeger, and the parsers of the
# files in deploy/. The first run builds them (docs/telemetry-backends.md says how long); later runs find them in the cache.
#   tests/interop/run.sh [BUILD] [pytest arguments…]
# Where they cannot be had this says so and fails; with FASTQUEUE_INTEROP_OPTIONAL=1 it says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/dev}
[ $# -gt 0 ] && shift
build=$(cd "$build" && pwd)
here=tests/interop

if ! FASTQUEUE_INTEROP=$($here/build.sh); then
    [ "${FASTQUEUE_INTEROP_OPTIONAL:-}" = 1 ] || exit 1
    echo "make interop: NOT RUN, which FASTQUEUE_INTEROP_OPTIONAL=1 allows"
    exit 0
fi
export FASTQUEUE_INTEROP FASTQUEUE_BUILD=$build FASTQUEUE_BINARY=${FASTQUEUE_BINARY:-$build/bin/fastqueue}

cmake --build "$build" --target otel_witness >/dev/null

venv="$build/interop-venv"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
stamp="$venv/requirements.stamp"
if ! cmp -s $here/requirements.txt "$stamp"; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r $here/requirements.txt 'scikit-build-core>=0.10'
    cp $here/requirements.txt "$stamp"
fi
# The build directory is shared with the Python tests: what they have compiled is not compiled again.
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall \
    --config-settings=build-dir="$build/python-package" .

cd $here
exec "$venv/bin/python" -B -m pytest -c pytest.ini --rootdir . -p no:cacheprovider "$@"
