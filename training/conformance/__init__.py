"""Exported files against the ONNX standard, against other engines and against PyTorch's golden class maps.

Every file must pass `onnx.checker` and strict shape inference, equal Python's own serialisation of it byte for byte,
and give the golden class map in every engine. What an engine does not take stands in `docs/compatibility.md`: exactly
the listed combinations may fail, each with the listed error. The shipped models must pass their self-tests.
Needs requirements-conformance.txt, no PyTorch.
"""
