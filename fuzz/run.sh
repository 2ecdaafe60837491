#!/usr/bin/env bash
# Fuzzes every parser for so many seconds each, or the ones that are named: fuzz/run.sh SECONDS [TARGET...]
# Needs cargo-fuzz (cargo install cargo-fuzz) and a stable toolchain. What it finds lies in fuzz/artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."
export SECONDS_EACH=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(weights pickles model classes picture label words y4m)
fi
export RUSTC_BOOTSTRAP=1
# Memory errors are the compiler's to rule out, so no sanitizer slows the search; 512 MiB and a second are bugs.
cargo fuzz build --sanitizer none

fuzz() {
    local target=$1 corpus=fuzz/corpus/$1 code=0
    local log=$corpus.log
    mkdir -p "$corpus"
    cargo fuzz run --sanitizer none "$target" "$corpus" "fuzz/seeds/$target" -- \
        -max_total_time="$SECONDS_EACH" -max_len=4096 -timeout=5 -report_slow_units=1 -rss_limit_mb=1024 \
        -malloc_limit_mb=512 -print_final_stats=1 >"$log" 2>&1 || code=$?
    local said
    said=$(grep -E 'ERROR|SUMMARY|panicked|Slowest unit|DONE|number_of_executed|peak_rss' "$log" || tail -n 20 "$log")
    printf '\n== %s\n%s\n' "$target" "$said"
    if [ "$code" -ne 0 ]; then
        echo "found something: $target" >&2
    fi
    return "$code"
}
export -f fuzz
# A target uses one core.
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz {}'
