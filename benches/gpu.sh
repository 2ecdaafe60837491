#!/usr/bin/env bash
# Latency of LRNNet on a GPU: lrnnet-run (CUDA and TensorRT through ONNX Runtime) beside PyTorch, in one call.
#
#   benches/gpu.sh prepare DIR [WEIGHTS.safetensors [HxW]]
#       On a machine with Rust: builds, exports at 512x1024 or HxW, and puts everything that travels into DIR.
#   benches/gpu.sh measure DIR OUT.md [--device cuda:0|cpu] [--ort-lib FOLDER] [--python PYTHON]
#                  [--iters N] [--only SECTION]
#       On the machine with the GPU, which needs no Rust: measures, and appends each table to OUT.md when it is done.
#
# FOLDER holds ONNX Runtime's GPU libraries (of the Python package onnxruntime-gpu; `lrnnet-run setup --gpu` fetches
# them); PYTHON has training/requirements.txt installed, and with it CUDA and cuDNN, which lrnnet-run uses too where the
# system has none.
# SECTION is run or torch, or one table of them, as run-b8. DIR/gpu.sh is this script.
set -euo pipefail

BATCHES=(1 8)

die() {
    printf 'error: %s\n' "$1" >&2
    exit "${2:-2}"
}

usage() {
    sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

prepare() {
    [[ $# -ge 1 && $# -le 3 ]] || die "prepare takes a folder and, if not the shipped ones, weights; see --help"
    local dir root weights size=${3:-512x1024}
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    weights=$(realpath -e "${2:-$root/models/lrnnet-c-camvid.safetensors}")
    cargo build --release --manifest-path "$root/Cargo.toml" --bin lrnnet-run --bin lrnnet-export
    local bin=${CARGO_TARGET_DIR:-$root/target}/release
    local batch half
    for batch in "${BATCHES[@]}"; do
        for half in "" --half; do
            # More pictures take the same graph, and minutes to verify where float16 is emulated.
            local unverified=("--no-verify")
            [[ $batch -eq 1 ]] && unverified=()
            "$bin/lrnnet-export" "$weights" -o "$dir/$(model "$half" "$batch")" --imgsz "$size" \
                --batch "$batch" --input u8-nhwc --head class-map ${half:+"$half"} "${unverified[@]}"
        done
    done
    cp "$bin/lrnnet-run" "$root/training/bench_torch.py" "${BASH_SOURCE[0]}" "$dir/"
    mkdir -p "$dir/lrnnet"
    cp "$root"/training/lrnnet/*.py "$dir/lrnnet/"
    cp "$weights" "$dir/weights.safetensors"
    printf '%s\n' "$size" >"$dir/imgsz"
    printf 'copy %s to the machine with the GPU and run there: gpu.sh measure . OUT.md\n' "$dir"
}

# The name of a model file: of --half or nothing, and a batch.
model() {
    printf 'lrnnet-%s-b%s.onnx' "$([[ $1 == --half ]] && printf fp16 || printf fp32)" "$2"
}

measure() {
    [[ $# -ge 2 ]] || die "measure takes the folder of prepare and a Markdown file; see --help"
    local dir out device=cuda:0 python=python3 iters=200 warmup rows only='' library=()
    dir=$(realpath -e "$1")
    out=$2
    shift 2
    while [[ $# -gt 0 ]]; do
        case $1 in
            --device | --ort-lib | --python | --iters | --only) [[ $# -ge 2 ]] || die "$1 needs a value" ;;
            *) die "unknown option $1; see --help" ;;
        esac
        case $1 in
            --device) device=$2 ;;
            --ort-lib) library=(--ort-lib "$(realpath -e "$2")") ;;
            --python) python=$2 ;;
            --iters) iters=$2 ;;
            --only) only=$2 ;;
        esac
        shift 2
    done
    [[ $iters =~ ^[1-9][0-9]*$ ]] || die "--iters is $iters; expected a number from 1"
    warmup=$((iters < 20 ? iters : 20))
    rows=$(devices "$device")
    [[ -w $out || (! -e $out && -w $(dirname "$out")) ]] || die "cannot write $out"
    # Here lrnnet-run looks for CUDA and cuDNN where the system has none. Without Python only torch fails.
    local prefix
    if prefix=$("$python" -c 'import sys; print(sys.prefix)' 2>/dev/null); then
        export VIRTUAL_ENV=$prefix
        python=$("$python" -c 'import sys; print(sys.executable)')
    fi

    local batch chosen=0 failed=() heading
    heading=$(heading)$'\n\n'
    for batch in "${BATCHES[@]}"; do
        section "run-b$batch" "lrnnet-run, batch $batch" run_table "$batch"
    done
    for batch in "${BATCHES[@]}"; do
        section "torch-b$batch" "PyTorch, eager and torch.compile, batch $batch" torch_table "$batch"
    done
    [[ $chosen -gt 0 ]] || die "there is no section $only; see --help"
    [[ ${#failed[@]} -eq 0 ]] || die "failed: ${failed[*]}; --only runs one section again" 1
}

# What stands above the tables of one call.
heading() {
    printf '## LRNNet on %s, %s\n' "$device" "$(date -u +%Y-%m-%d)"
    local gpus
    if gpus=$(nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader 2>/dev/null); then
        printf '\nGPU: %s\n' "${gpus//$'\n'/$'\n'GPU: }"
    fi
}

# section NAME TITLE COMMAND...: appends the table that COMMAND prints, if it ends well. This and the functions below
# take the variables of measure.
section() {
    local name=$1 title=$2 table
    shift 2
    [[ -z $only || $name == "$only" || $name == "$only"-* ]] || return 0
    chosen=$((chosen + 1))
    if ! table=$("$@"); then
        # What was measured before the failure may say why.
        printf '%s\nerror: %s failed\n' "$table" "$name" >&2
        failed+=("$name")
        return
    fi
    printf '%s### %s\n\n%s\n\n' "$heading" "$title" "$table" >>"$out"
    heading=
    printf 'appended %s to %s\n' "$name" "$out" >&2
}

run_table() {
    "$dir/lrnnet-run" bench -m "$dir/$(model "" "$1")" -m "$dir/$(model --half "$1")" \
        --device "$rows" --batch "$1" --warmup "$warmup" --iters "$iters" "${library[@]}"
}

torch_table() {
    local precisions=fp32,tf32,fp16 modes=eager,compile
    # Tuning the kernels of every shape would take a CPU longer than all the rest.
    [[ $device == cpu ]] && precisions=fp32 modes=eager
    (cd "$dir" && "$python" bench_torch.py weights.safetensors --device "$device" --imgsz "$(<imgsz)" \
        --batch "$1" --precision "$precisions" --mode "$modes" --warmup "$warmup" --iters "$iters")
}

# The rows of a table for one device: with and without TF32 and CUDA graphs; TensorRT on the same GPU.
devices() {
    case $1 in
        cpu) printf cpu,tract ;;
        cuda:*)
            local gpu=${1#cuda:}
            printf '%s,%s+tf32,%s+graph,%s+tf32+graph,tensorrt:%s,tensorrt:%s+graph' "$1" "$1" "$1" "$1" "$gpu" "$gpu"
            ;;
        *) die "the device is cuda:N or cpu, not $1" ;;
    esac
}

case ${1:-} in
    prepare) shift && prepare "$@" ;;
    measure) shift && measure "$@" ;;
    -h | --help) usage ;;
    *)
        usage >&2
        exit 2
        ;;
esac
