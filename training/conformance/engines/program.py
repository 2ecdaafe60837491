"""Engines in processes of their own: programs, and libraries that can crash."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from . import Outputs, Task

LAST = 1000  # characters of an error that are kept: its end says what happened


def run(command: list[str | Path], task: Task) -> Outputs:
    """Runs `command MODEL FEED RESULT`, the latter two files of tensors."""
    feed, result = task.path.with_suffix(".feed.safetensors"), task.path.with_suffix(".result.safetensors")
    result.unlink(missing_ok=True)
    save_file({"image": task.image}, feed)
    done = subprocess.run([*command, task.path, feed, result], capture_output=True, text=True)
    if done.returncode < 0:
        raise RuntimeError(f"crashes with {signal.Signals(-done.returncode).name}: {done.stderr[-LAST:]}")
    if done.returncode > 0:
        raise RuntimeError(done.stderr.strip()[-LAST:] or f"exit code {done.returncode}")
    return load_file(result)


def in_a_process(module: str, task: Task) -> Outputs:
    """Runs the engine's `module`, which must call `serve`."""
    return run([sys.executable, "-m", module], task)


def serve(forward: Callable[[Path, np.ndarray], Outputs]) -> None:
    """The other side of `run`: `forward` makes outputs of a file and an input."""
    model, feed, result = map(Path, sys.argv[1:])
    outputs = forward(model, load_file(feed)["image"])
    save_file({name: np.ascontiguousarray(output) for name, output in outputs.items()}, result)
