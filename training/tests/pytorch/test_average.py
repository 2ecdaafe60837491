"""The mean of weight files."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file

from lrnnet import average, weights
from lrnnet.config import VARIANTS
from lrnnet.model import LRNNet
from lrnnet.recipe import Recipe, to_dict

SEEN = {"images_seen": 80, "steps": 10, "minutes": 1.5}


def metadata(recipe: Recipe, **changed) -> dict[str, str]:
    same = dict.fromkeys(average.SAME, "x") | {"recipe": to_dict(recipe), "commit": "abc", "metrics": {"miou": 0.5}}
    return {key: json.dumps(value) for key, value in (same | SEEN | changed).items()}


def write(path, seed: int, recipe: Recipe | None = None, variant: str = "a", **changed):
    torch.manual_seed(seed)
    weights.save(path, LRNNet(VARIANTS[variant]), metadata(recipe or Recipe(seed=seed), **changed))
    return path


def run(*args) -> int:
    return average.main([*map(str, args)])


def test_the_mean_is_that_of_every_tensor(tmp_path) -> None:
    files = [write(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2, 3)]
    out = tmp_path / "mean.safetensors"
    assert run(*files, "-o", out) == 0
    first, second, third, found = (load_file(path) for path in (*files, out))
    assert found.keys() == first.keys()
    for name, tensor in found.items():
        assert torch.allclose(tensor, (first[name] + second[name] + third[name]) / 3, atol=1e-6), name
    said = weights.metadata(out)
    assert (said["images_seen"], said["steps"], said["minutes"]) == (240, 30, 4.5)
    assert [each["recipe"]["seed"] for each in said["mean_of"]] == [1, 2, 3] and said["metrics"] == {}


def test_a_mean_of_a_mean_names_every_training_and_its_share(tmp_path) -> None:
    first, second, third = (write(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2, 3))
    mean, out = tmp_path / "mean.safetensors", tmp_path / "out.safetensors"
    assert run(first, second, "-o", mean) == 0 and run(mean, third, "-o", out) == 0
    said = weights.metadata(out)
    assert [(each["recipe"]["seed"], each["share"]) for each in said["mean_of"]] == [(1, 0.25), (2, 0.25), (3, 0.5)]
    assert said["images_seen"] == 240 and all(each["images_seen"] == 80 for each in said["mean_of"])


def test_constants_in_the_logits_are_not_averaged(tmp_path) -> None:
    offsets = {"classes": ["x"] * 11, "logit_offsets": {"x": 0.5}}
    plain, adjusted = (write(tmp_path / f"{name}.safetensors", 1, **more) for name, more in (("p", {}), ("a", offsets)))
    out = tmp_path / "mean.safetensors"
    assert run(adjusted, adjusted, "-o", out) == 0
    assert "logit_offsets" not in weights.metadata(out)
    assert torch.allclose(load_file(out)[weights.BIAS], load_file(plain)[weights.BIAS] - 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"variant": "c"}, "b.safetensors: other tensors than in .*a.safetensors"),
        ({"recipe": Recipe(hold_out="0006R0")}, "hold_out is '0006R0', in .*a.safetensors ''"),
        ({"mean": [0, 0, 0]}, r"mean is \[0, 0, 0\]"),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path, capsys, second, message) -> None:
    first = write(tmp_path / "a.safetensors", 1)
    assert run(first, write(tmp_path / "b.safetensors", 2, **second), "-o", tmp_path / "mean.safetensors") == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "mean.safetensors").exists()


def test_files_of_other_programs_are_refused(tmp_path, capsys) -> None:
    plain = tmp_path / "plain.safetensors"
    weights.save(plain, LRNNet(VARIANTS["a"]), {})
    assert run(plain, plain, "-o", tmp_path / "mean.safetensors") == 2
    assert "plain.safetensors: its metadata lack variant, " in capsys.readouterr().err
