"""OpenCV 4's engine, which OpenCV 5 still has, in a process of its own: it can crash."""

import signal
import subprocess
import sys

import cv2
import numpy as np

from . import Engine, Outputs, Task
from .opencv import forward


def run(task: Task) -> Outputs:
    feed, result = task.path.with_suffix(".feed.npy"), task.path.with_suffix(".result.npz")
    np.save(feed, task.image)
    command = [sys.executable, "-m", __name__, task.path, feed, result]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode < 0:
        raise RuntimeError(f"crashes with {signal.Signals(-done.returncode).name}")
    if done.returncode > 0:
        raise RuntimeError(done.stderr[done.stderr.rfind("cv2.error") :])
    return dict(np.load(result))


ENGINE = Engine("OpenCV classic", cv2.__version__, run)

if __name__ == "__main__":
    model, feed, result = sys.argv[1:]
    np.savez(result, **forward(model, np.load(feed), cv2.dnn.ENGINE_CLASSIC))
