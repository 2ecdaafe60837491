"""The benchmark's column of agreement must not take NaN for a class."""

import math

import pytest
import torch

import bench_torch
from lrnnet import weights
from lrnnet.config import VARIANTS
from lrnnet.model import LRNNet


@pytest.mark.parametrize(("bias", "code", "agrees"), [(0.0, 0, "100.000 %"), (math.nan, 1, "NaN")])
def test_logits_of_nan_are_a_failure(tmp_path, capsys, bias, code, agrees) -> None:
    model, file = LRNNet(VARIANTS["a"]), tmp_path / "w.safetensors"
    torch.nn.init.constant_(model.classifier.predict.bias, bias)
    weights.save(file, model, {"variant": '"a"'})
    short = ["--device", "cpu", "--imgsz", "16x24", "--mode", "eager", "--iters", "1", "--warmup", "0"]
    assert bench_torch.main([str(file), *short]) == code
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| PyTorch eager"))
    assert row.endswith(f" {agrees} |")
