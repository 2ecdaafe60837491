#!/usr/bin/env bash
# Builds the C++ examples and tests them: examples/cpp/test.sh LRNNET_RUN LRNNET_EXPORT [PREFIX]
#
# The two programs make the masks and models that are compared with; PREFIX is where dependencies.sh put ONNX Runtime
# (default: target/cpp-deps). Masks, self-tests, and every error with its exit code and message.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 3 ]]; then
    echo "usage: test.sh LRNNET_RUN LRNNET_EXPORT [PREFIX]" >&2
    exit 2
fi
root=$(realpath "$(dirname "$0")/../..")
lrnnet_run=$(realpath "$1")
lrnnet_export=$(realpath "$2")
prefix=$(realpath "${3:-$root/target/cpp-deps}")
build=$root/target/cpp-examples
picture=$root/fixtures/street.png
model=$root/models/lrnnet-c-camvid.onnx
weights=$root/models/lrnnet-c-camvid.safetensors
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failures=0

# expect CODE TEXT COMMAND...: the command must exit with CODE and say TEXT.
expect() {
    local code=$1 text=$2 found=0 said
    shift 2
    said=$("$@" 2>&1) || found=$?
    if [[ $found -eq $code && $said == *"$text"* ]]; then
        echo "ok: exit $code: $text"
        return
    fi
    failures=$((failures + 1))
    printf 'FAILED: %s\n  expected exit %s and "%s"\n  found exit %s and "%s"\n' "$*" "$code" "$text" "$found" "$said"
}

# Changes text in a model without changing its length; a pattern that is not there is an error of this script.
change() {
    LC_ALL=C sed "$1" "$2" >"$3"
    ! cmp -s "$2" "$3" || { echo "error: \`$1\` changes nothing in $2" >&2 && exit 2; }
}

cmake -S "$root/examples/cpp" -B "$build" -DDEPENDENCIES="$prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" >/dev/null
cmake --build "$build" --parallel 2 >"$out/build.log" 2>&1 || { cat "$out/build.log" && exit 1; }
segment=$build/segment
segment_opencv=$build/segment_opencv

export_model() {
    "$lrnnet_export" "$weights" -o "$out/$1.onnx" --classes camvid "${@:2}" >/dev/null
}
export_model opencv --form basic --opset 11
export_model deploy
export_model logits --input u8-nhwc --head logits
export_model dynamic --input u8-nhwc --dynamic

echo "== masks"
"$lrnnet_run" "$picture" -o "$out/run.png" -m "$model" --device cpu --ort-lib "$prefix/lib/libonnxruntime.so.1" -q
expect 0 "ms from RGB bytes" "$segment" "$picture" -o "$out/ort.png" -m "$model" --warmup 1 --iters 3
expect 0 "ms from RGB bytes" "$segment_opencv" "$picture" -o "$out/cv.png" -m "$out/opencv.onnx" --warmup 0 --iters 1
expect 0 "100.0000 %" "$build/compare_masks" "$out/run.png" "$out/ort.png" 100
expect 0 "pixels agree" "$build/compare_masks" "$out/run.png" "$out/cv.png" 99.9
expect 1 "pixels agree" "$build/compare_masks" "$out/run.png" "$out/ort.png" nan
expect 2 "expected a number" "$build/compare_masks" "$out/run.png" "$out/ort.png" all

echo "== self-tests"
expect 0 "judge of the self-test: 0 failures" "$build/test_selftest"
expect 0 "bit for bit" "$segment" --selftest -m "$model"
expect 0 "self-test passed" "$segment_opencv" --selftest -m "$out/opencv.onnx"
hash='s/"class_map_sha256":"[0-9a-f]\{4\}/"class_map_sha256":"----/'
change "$hash" "$model" "$out/hash.onnx"
expect 0 "but for near ties" "$segment" --selftest -m "$out/hash.onnx"
change "$hash"';s/"clear_sha256":"[0-9a-f]\{4\}/"clear_sha256":"----/' "$model" "$out/clear.onnx"
expect 1 "self-test FAILED" "$segment" --selftest -m "$out/clear.onnx"
change "$hash"';s/\("near_ties":\[[0-9,]*\),1,/\1,9,/' "$model" "$out/runs.onnx"
expect 1 "self-test FAILED" "$segment" --selftest -m "$out/runs.onnx"
change 's/"near_ties":\[[0-9]/"near_ties":[x/' "$model" "$out/nonsense.onnx"
expect 2 "metadata \`selftest\`" "$segment" --selftest -m "$out/nonsense.onnx"
change "$hash"';s/"near_ties":\[[0-9]/"near_ties":[-/' "$model" "$out/negative.onnx"
expect 1 "self-test FAILED" "$segment" --selftest -m "$out/negative.onnx"
change 's/{"version":2/{"version":3/' "$model" "$out/version.onnx"
expect 2 "version 3; expected 2" "$segment" --selftest -m "$out/version.onnx"
change 's/{"version":2/{"virsion":2/' "$model" "$out/first.onnx"
expect 2 "version 1; expected 2" "$segment" --selftest -m "$out/first.onnx"
change 's/selftest/selfless/' "$model" "$out/none.onnx"
expect 2 "no metadata \`selftest\`" "$segment" --selftest -m "$out/none.onnx"
change 's/"height":360/"height":352/' "$model" "$out/height.onnx"
expect 2 "self-test's picture is 480 x 352" "$segment" --selftest -m "$out/height.onnx"

echo "== errors of pictures: 1"
head -c 100000 "$picture" >"$out/short.png"
head -c 0 "$picture" >"$out/empty.png"
expect 1 "No such file" "$segment" "$out/missing.png" -o "$out/x.png" -m "$model"
expect 1 "Not a PNG" "$segment" "$root/LICENSE-MIT" -o "$out/x.png" -m "$model"
expect 1 "cannot read as PNG" "$segment" "$out/empty.png" -o "$out/x.png" -m "$model"
expect 1 "cannot read as PNG" "$segment" "$out/short.png" -o "$out/x.png" -m "$model"
expect 1 "480 x 360; $out/dynamic.onnx takes multiples of 64" "$segment" "$picture" -o "$out/x.png" -m "$out/dynamic.onnx"
expect 1 "cannot write" "$segment" "$picture" -o "$out/missing/x.png" -m "$model" --warmup 0 --iters 1
expect 1 "cannot write" "$segment" "$picture" -o "$out" -m "$model" --warmup 0 --iters 1

echo "== errors of usage and models: 2"
expect 2 "unknown flag --fast" "$segment" "$picture" -o "$out/x.png" -m "$model" --fast
expect 2 "no model" "$segment" "$picture" -o "$out/x.png"
expect 2 "no place for the mask" "$segment" "$picture" -m "$model"
expect 2 "expected a whole number" "$segment" "$picture" -o "$out/x.png" -m "$model" --iters 0
expect 2 "expected cpu, cuda or cuda:N" "$segment" "$picture" -o "$out/x.png" -m "$model" --device gpu
expect 2 "doesn't exist" "$segment" "$picture" -o "$out/x.png" -m "$out/missing.onnx"
expect 2 "$picture" "$segment" "$picture" -o "$out/x.png" -m "$picture"
expect 2 "u8-nhwc and gives logits; expected u8-nhwc and class-map" "$segment" "$picture" -o "$out/x.png" -m "$out/logits.onnx"
expect 2 "f32-nchw and gives class-map; expected u8-nhwc" "$segment" "$picture" -o "$out/x.png" -m "$out/deploy.onnx"
expect 2 "cannot open the model" "$segment_opencv" "$picture" -o "$out/x.png" -m "$out/missing.onnx"
expect 2 "is not an ONNX file" "$segment_opencv" "$picture" -o "$out/x.png" -m "$picture"
expect 2 "indexMat.total() == 1" "$segment_opencv" "$picture" -o "$out/x.png" -m "$out/deploy.onnx"
expect 2 "expected f32-nchw" "$segment_opencv" "$picture" -o "$out/x.png" -m "$model"

echo "== errors of devices and libraries: 3"
expect 3 "--device cuda needs a GPU" "$segment" "$picture" -o "$out/x.png" -m "$model" --device cuda
expect 3 "--device cuda:7 needs a GPU" "$segment" --selftest -m "$model" --device cuda:7
expect 3 "cannot load ONNX Runtime" "$segment" "$picture" -o "$out/x.png" -m "$model" --ort-lib "$out/missing.so"
expect 3 "is not ONNX Runtime" "$segment" "$picture" -o "$out/x.png" -m "$model" --ort-lib libm.so.6
expect 3 "runs OpenCV on the CPU" "$segment_opencv" "$picture" -o "$out/x.png" -m "$out/opencv.onnx" --device cuda

if compgen -G "$out/*.part" >/dev/null || [[ -e $out/x.png ]]; then
    failures=$((failures + 1))
    echo "FAILED: a failed run left output behind: $(ls "$out")"
fi
if [[ $failures -gt 0 ]]; then
    echo "C++ examples: $failures failures"
    exit 1
fi
echo "C++ examples: all good"
