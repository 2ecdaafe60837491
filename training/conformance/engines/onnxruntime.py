"""ONNX Runtime on the CPU."""

import onnxruntime

from . import Engine, Outputs, Task


def run(task: Task) -> Outputs:
    session = onnxruntime.InferenceSession(task.path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": task.image}), strict=True))


ENGINE = Engine("ONNX Runtime", onnxruntime.__version__, "everything", run)
