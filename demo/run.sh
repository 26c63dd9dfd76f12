#!/usr/bin/env bash
# The demo of a built tree: demo/run.sh [BUILD]. Builds the Python extension into the tree if it is not there yet; installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "demo: $python is older than 3.11; PYTHON=... names another one" >&2
    exit 1
fi
cmake "$build" -DFQ_PYTHON=ON >/dev/null
cmake --build "$build" >/dev/null

# The package as it would be installed: its sources and the extension side by side.
site="$build/demo-site"
rm -rf "$site"
mkdir -p "$site"
cp -r python/src/fastqueue "$site/"
cp "$build"/python/fastqueue/_core*.so "$site/fastqueue/"

export PYTHONPATH="$PWD/$site" PYTHONDONTWRITEBYTECODE=1
unset "${!FASTQUEUE_@}"
exec "$python" demo/demo.py --program "$PWD/$build/bin/fastqueue" --c-tasks "$PWD/$build/examples/tasks.so" --folder "$PWD/$build"
