#!/usr/bin/env bash
# Runs bench/telemetry/peer.cc: opentelemetry-cpp from Debian's newest packages, in a root of its own (made once, about a
# minute, kept outside the tree), so that both SDKs are measured on the same machine in the same run. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")"
root="${XDG_CACHE_HOME:-$HOME/.cache}/fastqueue/bench/opentelemetry-cpp"

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "peer_cpp: opentelemetry-cpp is measured as root with debootstrap installed; left out" >&2
    exit 3
fi
if [ ! -d "$root/usr/include/opentelemetry" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -1)
    rm -rf "$root"
    mkdir -p "$root"
    echo "peer_cpp: installing opentelemetry-cpp into $root" >&2
    # What the shared libraries of gRPC want to configure is of no use here; that they are unpacked is enough.
    debootstrap --variant=minbase --include=g++,opentelemetry-cpp-dev,libc6-dev sid "$root" "$mirror" >"$root.log" 2>&1 || true
    [ -d "$root/usr/include/opentelemetry" ] || { echo "peer_cpp: it failed, see $root.log" >&2; exit 3; }
fi
cp peer.cc "$root/srv/peer.cc"
chroot "$root" bash -c 'ldconfig && cd /srv && g++ -O2 -std=c++17 peer.cc -o peer -lopentelemetry_trace -lopentelemetry_metrics \
    -lopentelemetry_resources -lopentelemetry_common -lopentelemetry_version'
grep -h 'define OPENTELEMETRY_VERSION ' "$root/usr/include/opentelemetry/version.h" | awk '{gsub(/"/, ""); print "# opentelemetry-cpp " $3}'
exec chroot "$root" /srv/peer
