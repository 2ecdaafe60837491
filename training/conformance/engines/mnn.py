"""MNN, whose converter makes a file of its own first."""

import _tools  # MNN's: the converter alone, since the program around it reports to its maker
import MNN
import numpy as np
import onnx

from . import Engine, Outputs, Task

TYPES = {np.dtype(np.float32): MNN.expr.float, np.dtype(np.uint8): MNN.expr.uint8}


def run(task: Task) -> Outputs:
    converted = task.path.with_suffix(".mnn")
    converted.unlink(missing_ok=True)
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", str(task.path), "--MNNModel", str(converted)])
    names = [output.name for output in onnx.load(task.path).graph.output]
    module = MNN.nn.load_module_from_file(str(converted), ["image"], names)
    image = MNN.expr.const(task.image, task.image.shape, MNN.expr.NCHW, TYPES[task.image.dtype])
    results = module.forward([image])
    if len(results) != len(names):
        raise RuntimeError(f"MNN computes {len(results)} of {len(names)} outputs")
    return {name: result.read().copy() for name, result in zip(names, results, strict=True)}


ENGINE = Engine("MNN", MNN.version(), "everything but int8", run, slack=4)
