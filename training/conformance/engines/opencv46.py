"""OpenCV 4.6 of Debian 12, in the C++ example `segment_opencv`, which takes class maps of normalised input."""

import json
import subprocess
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx

from ..cases import Case
from . import Engine, Outputs, Programs, Task


def engine(programs: Programs) -> Engine:
    if programs.segment_opencv is None:
        raise ValueError("opencv46 needs --opencv46, the program segment_opencv of examples/cpp")
    segment = programs.segment_opencv
    takes = "Debian 12's `libopencv-dev`: static `f32-nchw` files in float32, `--form basic --opset 11`"
    return Engine("OpenCV 4.6", "4.6.0", takes, partial(run, segment), asks=asks)


def asks(case: Case) -> bool:
    return case.input == "f32-nchw" and case.head == "class-map"


def run(segment: Path, task: Task) -> Outputs:
    source, mask = task.path.with_suffix(".picture.png"), task.path.with_suffix(".mask.png")
    mask.unlink(missing_ok=True)
    cv2.imwrite(str(source), task.picture[..., ::-1])
    command = [segment, source, "-o", mask, "-m", task.path, "--warmup", "0", "--iters", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    return {"class_map": class_ids(mask, palette(task.path))[None]}


def palette(model: Path) -> np.ndarray:
    """uint8 `[classes, 3]`, RGB."""
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    return np.array(json.loads(metadata["palette"]), np.uint8)


def class_ids(mask: Path, colors: np.ndarray) -> np.ndarray:
    """uint8 `[h, w]` of an indexed PNG, of which OpenCV tells only the colours."""
    pixels = cv2.imread(str(mask))[..., ::-1]
    return (pixels[:, :, None] == colors).all(-1).argmax(-1).astype(np.uint8)
