"""tract, which `lrnnet-run` has inside."""

import re
import subprocess
from functools import partial
from pathlib import Path

import cv2

from ..cases import ROOT
from . import Engine, Outputs, Programs, Task


def engine(programs: Programs) -> Engine:
    if programs.lrnnet_run is None:
        raise ValueError("tract needs --run, the program lrnnet-run")
    runner = programs.lrnnet_run
    return Engine("tract", version(), "everything", partial(run, runner))


def version() -> str:
    return re.search(r'name = "tract-onnx"\nversion = "(.+)"', (ROOT / "Cargo.lock").read_text())[1]


def run(runner: Path, task: Task) -> Outputs:
    source, mask = task.path.with_suffix(".picture.png"), task.path.with_suffix(".mask.png")
    cv2.imwrite(str(source), task.picture[..., ::-1])
    size = f"{task.picture.shape[0]}x{task.picture.shape[1]}"
    command = [runner, source, "-o", mask, "-m", task.path, "--device", "tract", "--mask", "gray", "-q"]
    if "dynamic" in task.path.name:
        command += ["--imgsz", size]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return {"class_map": cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)[None]}
