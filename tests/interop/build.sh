#!/usr/bin/env bash
# Builds or fetches the foreign programs of the interop tests, once for each set of versions, outside the source tree:
#   tests/interop/build.sh      prints the folder that then holds bin/otelcol, bin/parsers, bin/prometheus, …
#
# Versions, in this one place (the Collector's parts and the parsers are pinned by the go.mod and go.sum of their folders):
BUILDER=v0.155.0 # the Collector's builder, of the same release as its parts in collector/builder.yaml
GO=1.26.8        # the least that the newest of the parsers asks for
JAEGER=v1.76.0   # the last release of the v1 line; its cmd/jaeger is Jaeger 2
# Prometheus is Debian's package: its 2.42 is the oldest that anybody will still use with FastQueue's rules.
set -euo pipefail
cd "$(dirname "$0")"
say() { printf 'interop: %s\n' "$*" >&2; }

key=$({ echo "$BUILDER $GO $JAEGER"; cat collector/builder.yaml collector/go.mod collector/go.sum parsers/*; } | sha256sum | cut -c1-12)
root="${XDG_CACHE_HOME:-$HOME/.cache}/fastqueue/interop"
folder="$root/$key"
mkdir -p "$folder/bin" "$folder/build"
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" GOTOOLCHAIN="go$GO+auto"

unreachable() {
    say "======================================================================================================"
    say "NOT RUN: $1"
    say "No test against foreign programs has been run; nothing here shows that FastQueue works with them."
    say "======================================================================================================"
    exit 69
}

# A go command that is new enough: one that is there (from 1.21 on it fetches the toolchain it needs by itself), else
# Debian's, which is older and gets the same toolchain as a module.
find_go() {
    for go in "$folder/go/bin/go" "$(command -v go || true)" /usr/local/go/bin/go; do
        [ -x "$go" ] && (cd parsers && "$go" version >/dev/null 2>&1 && "$go" list -m >/dev/null 2>&1) && return 0
    done
    command -v /usr/bin/go >/dev/null || {
        say "installing Debian's Go, to fetch Go $GO with"
        as_root="$([ "$(id -u)" = 0 ] || echo sudo)"
        { $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends golang-go ca-certificates; } >/dev/null 2>"$folder/build/apt.log" ||
            unreachable "there is no Go, and Debian's packages cannot be reached ($folder/build/apt.log)"
    }
    local machine dir
    machine=$(dpkg --print-architecture)
    dir=$(cd "$folder/build" && env -u GOTOOLCHAIN GOFLAGS=-modcacherw /usr/bin/go mod download -json "golang.org/toolchain@v0.0.1-go$GO.linux-$machine" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -n "$dir" ] || unreachable "Go $GO cannot be had: the Go module proxy cannot be reached"
    # A module's files are not executable.
    cp -r "$dir" "$folder/go"
    chmod -R u+w,+x "$folder/go/bin" "$folder/go/pkg/tool"
    go="$folder/go/bin/go"
}

build() { # NAME FOLDER COMMAND...: runs it there, once
    [ -x "$folder/bin/$1" ] && return 0
    local name=$1 start=$SECONDS
    say "building $name (log: $folder/build/$name.log)"
    mkdir -p "$2"
    if ! (cd "$2" && "${@:3}") >"$folder/build/$name.log" 2>&1; then
        tail -5 "$folder/build/$name.log" >&2
        unreachable "$name cannot be built: see $folder/build/$name.log"
    fi
    say "built $name in $((SECONDS - start)) s"
}

build_collector() {
    cp "$here"/collector/* .
    GOBIN="$PWD" "$go" install "go.opentelemetry.io/collector/cmd/builder@$BUILDER"
    ./builder --config builder.yaml --skip-get-modules --skip-compilation
    "$go" build -mod=readonly -ldflags "-s -w" -o "$folder/bin/otelcol" .
}

build_parsers() { "$go" build -ldflags "-s -w" -o "$folder/bin/parsers" .; }

# Where its modules come from and what they are is for Jaeger's own go.mod and go.sum to say: it is built in its own folder.
build_jaeger() {
    local dir
    dir=$("$go" mod download -json "github.com/jaegertracing/jaeger@$JAEGER" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    cd "$dir"
    "$go" build -ldflags "-s -w" -o "$folder/bin/jaeger" ./cmd/jaeger
}

# Unpacked, not installed: no service is to start.
fetch_prometheus() {
    apt-get download prometheus || { apt-get update && apt-get download prometheus; }
    dpkg-deb -x prometheus_*.deb unpacked
    cp unpacked/usr/bin/prometheus unpacked/usr/bin/promtool "$folder/bin/"
}

here=$PWD
go=
for name in otelcol parsers jaeger; do
    [ -x "$folder/bin/$name" ] || { find_go; break; }
done
build parsers "$here/parsers" build_parsers
build otelcol "$folder/build/collector" build_collector
build prometheus "$folder/build/prometheus" fetch_prometheus
build jaeger "$folder/build" build_jaeger
printf '%s\n' "$folder"
