"""A model of Triton's Python backend that runs the `model.onnx` beside it.

For servers without the ONNX Runtime backend, such as the one in the PyPI package nvidia-pytriton: put it beside the
model as `model.py` and name the backend `python` in `config.pbtxt`; the tests do so.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as backend


class TritonPythonModel:
    """The server makes one for each instance."""

    def initialize(self, args: dict[str, str]) -> None:
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]

    def execute(self, requests: list) -> list:
        """All pictures of `requests` in one run; each gets its part of the outputs."""
        images = [backend.get_input_tensor_by_name(request, "image").as_numpy() for request in requests]
        outputs = self.session.run(self.names, {"image": np.concatenate(images)})
        ends = np.cumsum([len(image) for image in images])[:-1]
        parts = zip(*(np.split(output, ends) for output in outputs), strict=True)
        return [backend.InferenceResponse(list(map(backend.Tensor, self.names, part))) for part in parts]
