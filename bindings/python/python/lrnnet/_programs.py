"""The programs of this project as console scripts."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable

from lrnnet import _native


def run() -> None:
    """`lrnnet-run`"""
    spec = importlib.util.find_spec("onnxruntime")
    if spec is not None and spec.submodule_search_locations:
        folder = os.path.join(spec.submodule_search_locations[0], "capi")
        os.environ.setdefault("ORT_DYLIB_PATH", folder)
    _end(_native.run_program)


def export() -> None:
    """`lrnnet-export`"""
    _end(_native.export_program)


def _end(program: Callable[[list[str]], int]) -> None:
    # Python would hear of Ctrl-C only after the program has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(program(sys.argv))
