#!/bin/sh
# Installs what FastQueue is built with (Debian 12 and newer, Ubuntu 24.04 and newer), and says so; does nothing if all is there.
#   tools/install_deps.sh [build] [demo] [test] [check] [deb] [bench]
# A program counts as there when it can be called, wherever it comes from; a library when its package is installed.
set -eu
missing=""
optional="" # of the missing packages: a distribution that has none of these is no failure
services="" # of the missing packages: they are not to run because a benchmark wants their programs
library() {
    for package; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
    done
}
program() { # NAME PACKAGE
    command -v "$1" >/dev/null || missing="$missing $2"
}
server() { # NAME PACKAGE: a program that lies where only root's PATH may look, and whose package starts a service
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || {
        missing="$missing $2"
        services="$services $2"
    }
}

if ! command -v dpkg-query >/dev/null; then
    echo "install_deps: this is no Debian system; what has to be there is listed in $0" >&2
    exit 0
fi
for group in "${@:-build}"; do
    case "$group" in
    build)
        program cc gcc
        program make make
        program cmake cmake
        program ninja ninja-build
        program pkg-config pkg-config
        library libc6-dev libuv1-dev libnats-dev libssl-dev libcurl4-openssl-dev libnghttp2-dev libmicrohttpd-dev libjansson-dev \
            libxxhash-dev zlib1g-dev libyaml-dev libcmocka-dev
        program python3 python3
        # An interpreter that is not Debian's brings its own headers and venv.
        if [ "$(command -v python3 || echo /usr/bin/python3)" = /usr/bin/python3 ]; then
            library python3-dev python3-venv
        fi
        ;;
    demo)
        program redis-cli redis-tools
        ;;
    test)
        program c++ g++
        program openssl openssl
        program redis-cli redis-tools
        server nats-server nats-server
        program clang-format-14 clang-format-14
        program gcovr gcovr
        program node nodejs
        program npm npm
        program dpkg-shlibdeps dpkg-dev
        program file file
        ;;
    check)
        program clang-tidy-14 clang-tidy-14
        program cppcheck cppcheck
        program valgrind valgrind
        ;;
    deb)
        program dpkg-shlibdeps dpkg-dev
        program file file
        ;;
    bench)
        server beanstalkd beanstalkd
        server gearmand gearman-job-server
        server redis-server redis-server
        server nats-server nats-server
        library libnats-dev python3-venv python3-celery python3-rq python3-gevent python3-eventlet python3-hiredis
        optional="python3-venv python3-celery python3-rq python3-gevent python3-eventlet python3-hiredis beanstalkd gearman-job-server redis-server nats-server libnats-dev"
        ;;
    *)
        echo "install_deps: no group '$group'; there are build, demo, test, check, deb and bench" >&2
        exit 2
        ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo"
    if ! command -v sudo >/dev/null; then
        echo "install_deps: missing, and neither root nor sudo is at hand; let root run:" >&2
        echo "    apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi
echo "installing:$missing"
if [ -n "$services" ]; then
    # Their programs are wanted, not their services: none is started now, none with the system later.
    echo "the services of these packages stay off:$services (switch one on with systemctl enable --now)"
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee /usr/sbin/policy-rc.d >/dev/null
        $as_root chmod 755 /usr/sbin/policy-rc.d
        trap '$as_root rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 130' INT TERM
    fi
fi
$as_root apt-get update -qq
present=""
for package in $missing; do
    case " $optional " in
    *" $package "*) apt-cache show "$package" >/dev/null 2>&1 || { echo "not to be had here, left out: $package" && continue; } ;;
    esac
    present="$present $package"
done
[ -n "$present" ] || exit 0
# shellcheck disable=SC2086 # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends $present >/dev/null
if [ -n "$services" ] && command -v systemctl >/dev/null; then
    # shellcheck disable=SC2086 # one word a package
    $as_root systemctl disable --quiet $services 2>/dev/null || true
fi
