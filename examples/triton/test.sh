#!/usr/bin/env bash
# Tests model repositories and the client: examples/triton/test.sh LRNNET_RUN LRNNET_EXPORT
#
# Fetches Triton (0.5 GB, the PyPI package nvidia-pytriton) and its client into target/triton.
set -euo pipefail

if [[ $# -ne 2 ]]; then
    echo "usage: test.sh LRNNET_RUN LRNNET_EXPORT" >&2
    exit 2
fi
LRNNET_RUN=$(realpath "$1")
LRNNET_EXPORT=$(realpath "$2")
export LRNNET_RUN LRNNET_EXPORT
here=$(realpath "$(dirname "$0")")
environment=$here/../../target/triton

python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet -r "$here/requirements.txt"
cd "$here"
"$environment/bin/python" -m pytest -q
