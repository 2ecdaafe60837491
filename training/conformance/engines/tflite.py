"""TensorFlow Lite: onnx2tf converts the file, LiteRT runs it; in a process of its own, since it can crash."""

import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter

from . import Engine, Outputs
from .program import in_a_process, serve


def converted(path: Path, folder: str) -> Path:
    """Converts a copy, since onnx2tf writes over the file that it is given."""
    copy = Path(folder) / "model.onnx"
    copy.write_bytes(path.read_bytes())
    # `-kat`: it takes every input of four axes for NCHW and turns it, bytes of NHWC too.
    command = [Path(sys.executable).parent / "onnx2tf", "-i", copy, "-o", folder, "-kat", "image", "-n"]
    done = subprocess.run(command, capture_output=True, text=True)
    made = Path(folder) / "model_float32.tflite"
    if done.returncode != 0 or not made.exists():
        raise RuntimeError(f"onnx2tf fails: {done.stderr}{done.stdout}")  # its errors are in either
    return made


def in_order(output: np.ndarray, declared: onnx.ValueInfoProto) -> np.ndarray:
    """The channels of logits second, as the file declares them: onnx2tf puts them last in some files, in others not."""
    if output.ndim < 4 or output.shape[1] == declared.type.tensor_type.shape.dim[1].dim_value:
        return output
    return np.moveaxis(output, -1, 1)


def forward(path: Path, image: np.ndarray) -> Outputs:
    declared = {output.name: output for output in onnx.load(path).graph.output}
    with tempfile.TemporaryDirectory() as folder:
        runner = Interpreter(str(converted(path, folder))).get_signature_runner()
        return {name: in_order(output, declared[name]) for name, output in runner(image=image).items()}


VERSION = f"{version('ai-edge-litert')}, onnx2tf {version('onnx2tf')}"
TAKES = "everything but `--form plain` with regions of one size, and `--form deploy` with free sizes and a context"
ENGINE = Engine("TFLite", VERSION, TAKES, partial(in_a_process, __name__))

if __name__ == "__main__":
    serve(forward)
