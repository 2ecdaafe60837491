#!/usr/bin/env bash
# Fetches what the C++ examples are built from, on Debian and as root: examples/cpp/dependencies.sh [PREFIX]
#
# Build tools and libraries come from the machine's own Debian release. ONNX Runtime does not: its headers are those
# of Debian's package libonnxruntime-dev, taken out of a newer suite without installing anything of that suite, and
# its library is the one inside the PyPI package onnxruntime. Both land in PREFIX (default: target/cpp-deps). What is
# there already is not fetched again.
set -euo pipefail

readonly PACKAGES=(cmake g++ make libpng-dev nlohmann-json3-dev libssl-dev libopencv-dev)
readonly HEADER_SUITE=trixie
readonly ORT_VERSION=1.31.1

fail() {
    echo "error: $*" >&2
    exit 1
}

install_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || fail "these packages are missing and only root can install them: ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The mirror that this machine takes its own release from, but for HEADER_SUITE and in a package list of its own.
fetch_headers() {
    local work=$1 codename mirror
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # Sources may name the release (bookworm) or its state (stable).
    mirror=$(apt-get indextargets --format '$(RELEASE) $(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v release="$codename" '($1 == release || $2 == release) && $3 == "main" { print $4; exit }')
    [[ -n $mirror ]] || fail "apt names no mirror of Debian ${codename:-(unknown release)}, component main"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $HEADER_SUITE main" >"$work/sources.list"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    local apt=(apt-get -qq
        -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
        -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update
    (cd "$work" && "${apt[@]}" download libonnxruntime-dev)
    dpkg -x "$work"/libonnxruntime-dev_*.deb "$work/package"
    mv "$work/package/usr/include" "$prefix/include"
}

fetch_library() {
    local work=$1 name=libonnxruntime.so.$ORT_VERSION machine sha256
    machine=$(uname -m)
    # As in lrnnet-run/src/cli/setup/wheel.rs: the libraries do not depend on the Python that the wheels are made for.
    case $machine in
        x86_64) sha256=1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536 ;;
        aarch64) sha256=0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc ;;
        *) fail "no ONNX Runtime $ORT_VERSION is known for $machine" ;;
    esac
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --platform "manylinux_2_28_$machine" --python-version 3.12 --implementation cp --abi cp312 \
        --dest "$work" "onnxruntime==$ORT_VERSION"
    echo "$sha256  $(echo "$work"/onnxruntime-*.whl)" | sha256sum --check --quiet ||
        fail "what pip fetched is not the onnxruntime $ORT_VERSION that is known"
    python3 -m zipfile -e "$work"/onnxruntime-*.whl "$work/wheel"
    mkdir -p "$prefix/lib"
    ln -s "$name" "$prefix/lib/libonnxruntime.so.1"
    mv "$work/wheel/onnxruntime/capi/$name" "$prefix/lib/$name"
}

prefix=${1:-$(dirname "$0")/../../target/cpp-deps}
mkdir -p "$prefix"
prefix=$(realpath "$prefix")
work=$(mktemp -d "$prefix/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

install_packages "${PACKAGES[@]}"
if [[ ! -d $prefix/include ]]; then
    fetch_headers "$work"
fi
if [[ ! -e $prefix/lib/libonnxruntime.so.$ORT_VERSION ]]; then
    python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
    rm -rf "$prefix/lib"
    fetch_library "$work"
fi
echo "ONNX Runtime $ORT_VERSION is in $prefix"
