"""`check_oracle.py` must refuse NaN, in the reference's outputs and in the files."""

import math

import pytest
import safetensors.torch
import torch

import check_oracle
from lrnnet.config import VARIANTS
from lrnnet.model import LRNNet
from lrnnet.normalise import normalised
from lrnnet.weights import contract

TENSORS = ("encoder.0", "logits8", "logits", "classes")


@pytest.fixture
def oracle(tmp_path):
    """A folder of the kind that the script reads, made by the reference itself."""
    torch.manual_seed(1)
    state = contract(LRNNet(VARIANTS["a"]).state_dict())
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    image = torch.randint(0, 256, (16, 24, 3), dtype=torch.uint8)
    with torch.inference_mode():
        outputs = check_oracle.outputs(
            check_oracle.load_model(tmp_path / "w.safetensors", "a"), normalised(image[None])
        )
    tensors = {f"w/a/{name}": outputs[name].contiguous() for name in TENSORS}
    safetensors.torch.save_file(tensors | {"image": image}, tmp_path / "io-16x24.safetensors")
    return tmp_path


def spoil(path, name: str) -> None:
    """NaN in place of all values of one tensor of a file."""
    tensors = safetensors.torch.load_file(path)
    tensors[name] = torch.full_like(tensors[name], math.nan)
    safetensors.torch.save_file(tensors, path)


def test_the_reference_agrees_with_itself(oracle) -> None:
    assert check_oracle.main([str(oracle)]) == 0


@pytest.mark.parametrize("name", ["logits8", "logits", "encoder.0"])
def test_nan_in_the_files_is_too_large(oracle, name, capsys) -> None:
    spoil(oracle / "io-16x24.safetensors", f"w/a/{name}")
    assert check_oracle.main([str(oracle)]) == 1
    assert "inf  TOO LARGE" in capsys.readouterr().out


def test_nan_of_the_reference_is_too_large(oracle, capsys) -> None:
    spoil(oracle / "w.safetensors", "classifier.predict.bias")
    assert check_oracle.main([str(oracle)]) == 1
    assert "inf  TOO LARGE" in capsys.readouterr().out
