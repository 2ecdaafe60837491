"""Files against the ONNX standard itself."""

from collections.abc import Iterator
from pathlib import Path

import onnx

from .report import first_line


def check_file(opset: int, path: Path) -> Iterator[str]:
    """What is wrong with a file by the standard itself."""
    data = path.read_bytes()
    model = onnx.load_from_string(data)
    if model.SerializeToString() != data:
        yield "the file differs from Python's serialisation of it"
    versions = [entry.version for entry in model.opset_import]
    if versions != [opset]:
        yield f"opset {versions}; expected {opset}"
    known = {value.name: value for value in [*model.graph.value_info, *model.graph.output]}
    unnamed = [name for node in model.graph.node for name in node.output if name not in known]
    if unnamed:
        yield f"no type is stored for {len(unnamed)} values: {unnamed[:3]}"
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:
        yield f"onnx.checker: {first_line(error)}"
