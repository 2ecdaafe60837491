"""The onnx package's own evaluator: the standard's words in NumPy, slow and simple."""

import onnx
from onnx.reference import ReferenceEvaluator

from . import Engine, Outputs, Task


def run(task: Task) -> Outputs:
    evaluator = ReferenceEvaluator(str(task.path))
    return dict(zip(evaluator.output_names, evaluator.run(None, {"image": task.image}), strict=True))


ENGINE = Engine("onnx reference", onnx.__version__, "everything but int8", run, slow=True)
