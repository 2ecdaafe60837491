"""Apache TVM: Relax's importer, compiled for the CPU with LLVM."""

import onnx
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

from . import Engine, Outputs, Task


def run(task: Task) -> Outputs:
    model = onnx.load(task.path)
    module = from_onnx(model, shape_dict={"image": list(task.image.shape)}, keep_params_in_input=False)
    machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
    results = machine["main"](tvm.runtime.tensor(task.image))
    results = [results] if hasattr(results, "numpy") else list(results)
    return {output.name: result.numpy() for output, result in zip(model.graph.output, results, strict=True)}


ENGINE = Engine("TVM", tvm.__version__, "everything but `--form plain` with `--half`", run, slow=True)
