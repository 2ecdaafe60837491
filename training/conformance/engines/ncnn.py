"""ncnn, whose converter pnnx makes files of its own first; in a process of its own, since it can crash."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import ncnn
import numpy as np
import onnx

from ..cases import Case
from . import Engine, Outputs
from .program import in_a_process, serve


def converted(path: Path, image: np.ndarray) -> ncnn.Net:
    shape = ",".join(map(str, image.shape))
    kind = {"float32": "f32", "uint8": "u8"}[image.dtype.name]
    param, weights = path.with_suffix(".ncnn.param"), path.with_suffix(".ncnn.bin")
    command = [Path(sys.executable).parent / "pnnx", path.name, f"inputshape=[{shape}]{kind}"]
    command += [f"ncnnparam={param}", f"ncnnbin={weights}"]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    if done.returncode != 0 or not param.exists():
        raise RuntimeError(f"pnnx fails: {done.stderr.strip()}")
    net = ncnn.Net()
    net.opt.use_fp16_arithmetic = net.opt.use_fp16_storage = net.opt.use_bf16_storage = False
    # Operators that it does not have are named on standard error.
    if net.load_param(str(param)) != 0 or net.load_model(str(weights)) != 0:
        raise RuntimeError("ncnn does not load what pnnx made of the file")
    return net


def forward(path: Path, image: np.ndarray) -> Outputs:
    net = converted(path, image)
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(image[0]).clone())
    names = [output.name for output in onnx.load(path).graph.output]
    return {name: np.array(extractor.extract(f"out{i}")[1])[None] for i, name in enumerate(names)}


def asks(case: Case) -> bool:
    """Of Cast, ArgMax and QuantizeLinear pnnx makes layers that ncnn does not have."""
    return case.input == "f32-nchw" and case.precision == "fp32" and case.head in ("logits", "logits-8")


TAKES = "no context, `f32-nchw`, `logits` or `logits-8`, static, float32, `--form basic` or `blocked`"
ENGINE = Engine("ncnn", ncnn.__version__, TAKES, partial(in_a_process, __name__), slack=10, asks=asks)

if __name__ == "__main__":
    serve(forward)
