#!/bin/sh
# Installs what FastQueue builds with (Debian and Ubuntu packages). Prints what is missing and does nothing if all is there.
set -eu
packages="gcc libc6-dev make openssl cmake ninja-build pkg-config libuv1-dev libssl-dev libcurl4-openssl-dev libnghttp2-dev
libmicrohttpd-dev libjansson-dev libxxhash-dev zlib1g-dev libyaml-dev libcmocka-dev python3 python3-venv python3-dev redis-tools"
missing=""
for package in $packages "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
