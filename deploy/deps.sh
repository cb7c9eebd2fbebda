#!/usr/bin/env bash
# Installs what Foreset needs on Debian 12 or a relative of it. Idempotent; does nothing, and asks no network, when nothing is missing.
#   deploy/deps.sh          what the build needs
#   deploy/deps.sh --test   also what the tests need: compilers, etcd, Java, a Python environment, Kafka and Delta jars
# FORESET_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/foreset) holds the environment (venv/) and the jars (kafka-jars/, spark-jars/).
# Fails with the package or file that could not be had; everything that was done before stays and is not repeated.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${FORESET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/foreset}

build_packages=(librdkafka-dev libnng-dev libprotobuf-c-dev protobuf-c-compiler libjansson-dev libcurl4-openssl-dev libzstd-dev libbz2-dev
    libsnappy-dev zlib1g-dev liblz4-dev libxxhash-dev libicu-dev libpcre2-dev libinih-dev libmicrohttpd-dev libssl-dev
    cmake ninja-build pkg-config gcc)
test_packages=(git libcmocka-dev python3-venv clang libclang-rt-14-dev clang-tidy clang-format etcd-server etcd-client
    iproute2 mmdebstrap mount procps tzdata)

say() { printf 'deps: %s\n' "$*" >&2; }

# Downloads fail for reasons that pass; three tries, then the command's own status.
retry() {
    local try
    for try in 1 2 3; do
        "$@" && return 0
        say "try $try of 3 failed: $*"
    done
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "not root and no sudo; run as root: $*"
        return 1
    fi
}

package_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    local missing=() package
    for package in "$@"; do
        package_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here; install the equivalents of: ${missing[*]}"
        return 1
    fi
    say "installing ${missing[*]}"
    retry as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    retry as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# stamp FILE INPUT: does FILE hold the hash of INPUT?
stamped() { [ -f "$1" ] && [ "$(cat "$1")" = "$(sha256sum <"$2")" ]; }
stamp() { sha256sum <"$2" >"$1"; }

make_venv() {
    local wanted=$root/tests/lib/requirements.txt
    stamped "$cache/venv/.stamp" "$wanted" && [ -x "$cache/venv/bin/python" ] && return 0
    say "making the Python environment in $cache/venv"
    [ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv"
    retry "$cache/venv/bin/pip" install -q --disable-pip-version-check setuptools wheel
    retry "$cache/venv/bin/pip" install -q --disable-pip-version-check -r "$wanted"
    stamp "$cache/venv/.stamp" "$wanted"
}

# fetch_jars NAME: tests/lib/NAME-pom.xml → $cache/NAME-jars
fetch_jars() {
    local pom=$root/tests/lib/$1-pom.xml out=$cache/$1-jars
    stamped "$out/.stamp" "$pom" && return 0
    say "fetching the $1 jars into $out"
    rm -rf "$out" && mkdir -p "$out"
    retry mvn -q -B -Dstyle.color=never -f "$pom" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$out"
    stamp "$out/.stamp" "$pom"
}

main() {
    local with_tests=no java_packages=()
    case ${1:-} in
        --test) with_tests=yes ;;
        "") ;;
        *) say "usage: deploy/deps.sh [--test]"; return 2 ;;
    esac
    mkdir -p "$cache"
    exec 9>"$cache/.lock"
    flock 9
    if [ $with_tests = no ]; then
        install_packages "${build_packages[@]}"
        return 0
    fi
    command -v java >/dev/null || java_packages+=(default-jre-headless)
    command -v mvn >/dev/null || java_packages+=(maven)
    install_packages "${build_packages[@]}" "${test_packages[@]}" ${java_packages[@]+"${java_packages[@]}"}
    # The jars and the environment come from different places: fetch both at once.
    make_venv 9>&- &
    local venv_pid=$!
    fetch_jars kafka
    fetch_jars spark
    wait $venv_pid
}

main "$@"
