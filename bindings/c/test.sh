#!/usr/bin/env bash
# Tests the C library: bindings/c/test.sh LRNNET_RUN LRNNET_EXPORT PREFIX
#
# The two programs make the model and the mask that are compared with; PREFIX is where `cargo xtask install-c` put library,
# header and pkg-config file. Everything is compiled as C11 and as C++17, and run under AddressSanitizer and valgrind.
# On Debian and as root it installs what it needs: gcc, g++, pkg-config, valgrind, ffmpeg.
set -euo pipefail

if [[ $# -ne 3 ]]; then
    echo "usage: test.sh LRNNET_RUN LRNNET_EXPORT PREFIX" >&2
    exit 2
fi
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../..")
lrnnet_run=$(realpath "$1")
lrnnet_export=$(realpath "$2")
prefix=$(realpath "$3")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

missing=()
for program in gcc g++ pkg-config valgrind ffmpeg; do
    command -v "$program" >/dev/null || missing+=("$program")
done
if [[ ${#missing[@]} -gt 0 ]]; then
    [[ $EUID -eq 0 ]] || { echo "error: these are missing and only root can install them: ${missing[*]}" >&2 && exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export LD_LIBRARY_PATH=$prefix/lib
version=$(pkg-config --modversion lrnnet)
read -ra flags <<<"$(pkg-config --cflags --libs lrnnet)"
read -ra static <<<"$(pkg-config --cflags --libs --static lrnnet)"
strict=(-Wall -Wextra -Wpedantic -Werror -g -O1)
c11=(gcc -std=c11 "${strict[@]}" -Wconversion)
cpp17=(g++ -std=c++17 "${strict[@]}" -x c++)

echo "== the library exports its own names and no others"
names=$(nm -D --defined-only "$prefix/lib/liblrnnet.so" | awk '{ print $3 }' | sort)
declared=$(grep -o '\blrnnet_[a-z_]*(' "$prefix/include/lrnnet.h" | tr -d '(' | sort -u)
[[ $names == "$declared" ]] || { diff <(echo "$declared") <(echo "$names") && exit 1; }

echo "== C11 and C++17"
"${c11[@]}" "$here/examples/segment.c" -o "$out/segment" "${flags[@]}"
"${cpp17[@]}" "$here/examples/segment.c" -o "$out/segment-cpp" "${flags[@]}"
"${c11[@]}" "$here/tests/border.c" -o "$out/border" "${flags[@]}"
"${cpp17[@]}" "$here/tests/border.c" -o "$out/border-cpp" "${flags[@]}"
"${c11[@]}" -fsanitize=address,undefined -fno-sanitize-recover=all "$here/tests/border.c" -o "$out/border-asan" "${flags[@]}"
"${c11[@]}" "$here/examples/segment.c" -o "$out/segment-static" "${static[@]/#-llrnnet/-l:liblrnnet.a}"

echo "== masks"
"$lrnnet_export" "$root/models/lrnnet-c-camvid.safetensors" -o "$out/small.onnx" --imgsz 64x128 --no-verify 2>/dev/null
ffmpeg -loglevel error -i "$root/fixtures/street.png" "$out/street.ppm"
tail -c $((360 * 480 * 3)) "$out/street.ppm" >"$out/street.rgb"
for device in tract cpu; do
    "$lrnnet_run" - --raw 360x480 -o - --device "$device" -q <"$out/street.rgb" >"$out/run.ids"
    for program in segment segment-cpp segment-static; do
        "$out/$program" "$device" - "$out/street.ppm" "$out/$program.pgm" >"$out/said" 2>/dev/null
        grep -q "Road" "$out/said"
        cmp "$out/run.ids" <(tail -c $((360 * 480)) "$out/$program.pgm")
    done
    echo "ok: $device, bit for bit"
done
found=$(env LD_LIBRARY_PATH="$prefix/lib" "$out/segment" tract - "$out/street.ppm" "$out/x.pgm" 2>&1 >/dev/null)
[[ $found == "lrnnet $version, running on tract"* ]] || { echo "FAILED: found \"$found\"" && exit 1; }

echo "== errors"
expect() {
    local code=$1 text=$2 found=0 said
    shift 2
    said=$("$@" 2>&1) || found=$?
    [[ $found -eq $code && $said == *"$text"* ]] && return
    printf 'FAILED: %s\n  expected exit %s and "%s"\n  found exit %s and "%s"\n' "$*" "$code" "$text" "$found" "$said"
    exit 1
}
expect 2 "is no device" "$out/segment" gpu - "$out/street.ppm" "$out/x.pgm"
expect 2 "cannot use the model missing.onnx" "$out/segment" tract missing.onnx "$out/street.ppm" "$out/x.pgm"
expect 3 "cuda:7" "$out/segment" cuda:7 - "$out/street.ppm" "$out/x.pgm"
expect 1 "is no binary PPM" "$out/segment" tract - "$root/fixtures/street.png" "$out/x.pgm"
expect 0 "border: 0 failures" "$out/border" "$out/small.onnx"
expect 0 "border: 0 failures" "$out/border-cpp" "$out/small.onnx"

echo "== AddressSanitizer"
expect 0 "border: 0 failures" env ASAN_OPTIONS=detect_leaks=1 "$out/border-asan" "$out/small.onnx"

echo "== valgrind"
valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect \
    --errors-for-leak-kinds=definite,indirect --suppressions="$here/tests/valgrind.supp" "$out/border" "$out/small.onnx"
echo "C library: all good"
