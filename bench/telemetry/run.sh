#!/usr/bin/env bash
# Prints the figures of docs/benchmarks.md, "Telemetry": `bench/telemetry/run.sh BUILD [--quick]`. Installs opentelemetry-python
# into a virtual environment of its own, outside the tree; what cannot be had here is left out, by name.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/release}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fastqueue/bench"
venv="$cache/opentelemetry-python"

echo "fastqueue $(cat VERSION), $(uname -sr), $(nproc) CPUs, $(date -u +%Y-%m-%d)"
echo "# spans, C"
"$build/bench/otel_span"
echo "# metrics, C"
"$build/bench/otel_metric"
echo "# the same calls of opentelemetry-cpp"
bench/telemetry/peer_cpp.sh || echo "left out"
echo "# Python, beside opentelemetry-python"
[ -x "$venv/bin/python3" ] || python3 -m venv "$venv"
if "$venv/bin/pip" install -q --disable-pip-version-check opentelemetry-sdk; then
    PYTHONPATH="bench" python3 -c 'import stage; stage.python_site(stage.BUILD / "bench/site")' "$build"
    PYTHONPATH="$build/bench/site" "$venv/bin/python3" bench/otel_python.py 2>&1
else
    echo "left out: no opentelemetry-python"
fi
echo "# the queue with telemetry off and on"
exec python3 bench/telemetry/overhead.py "$@"
