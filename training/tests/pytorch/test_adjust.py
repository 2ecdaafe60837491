"""Logit adjustment, fitted on pictures that were held out."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lrnnet import adjust, weights
from lrnnet.adjust import HeldOut
from lrnnet.data import CAMVID
from lrnnet.model import LRNNet
from lrnnet.recipe import Recipe, to_dict

SPEC = dataclasses.replace(
    CAMVID, class_names=("a", "b", "c"), palette=((0, 0, 0),) * 3, ignore=255, trained_size=(32, 48)
)
HELD = Recipe(data=SPEC, train_split="train", hold_out="two", variant="a")


def too_seldom(by: float, index: int = 1) -> HeldOut:
    """Logits that would be right, most with room to spare, if class `index` were not `by` lower."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(3000) % 3
    logits = torch.rand(3000, 3, generator=generator)
    logits[torch.arange(3000), labels] += 1.0
    logits[:, index] -= by
    return HeldOut("x", logits, labels, SPEC)


def write(path, chosen: Recipe, seed: int = 1, **more):
    torch.manual_seed(seed)
    said = {"recipe": to_dict(chosen), "classes": SPEC.class_names, "metrics": {"miou": 0.5}} | more
    weights.save(path, LRNNet(chosen.network), {key: json.dumps(value) for key, value in said.items()})
    return path


@pytest.fixture
def pictures(tmp_path):
    """Two train pictures of two sequences and one of val, each of three bands of grey with their ids."""
    bands = np.repeat(np.arange(3, dtype=np.uint8), 16)[None].repeat(32, 0)
    for split, name in (("train", "one_1"), ("train", "two_1"), ("val", "three_1")):
        for kind, pixels in (("images", np.stack([100 * bands] * 3, -1)), ("labels", bands)):
            (tmp_path / "data" / split / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "data" / split / kind / f"{name}.png")
    return tmp_path / "data"


def run(*args) -> int:
    return adjust.main([*map(str, args)])


@pytest.mark.parametrize(("by", "index"), [(0.5, 0), (0.5, 1), (-0.75, 2)])
def test_what_is_found_too_seldom_or_too_often_is_mended(by, index) -> None:
    wrong = too_seldom(by, index)
    offsets = adjust.fit([wrong])
    assert wrong.miou(torch.zeros(3)) < 0.98 < wrong.miou(offsets)
    others = [i for i in range(3) if i != index]
    # Offsets are the same up to a constant for all classes.
    assert abs(offsets[index] - offsets[others].mean() - by) <= 0.5


def test_what_is_right_stays() -> None:
    assert not adjust.fit([too_seldom(0.0)]).any()


def test_offsets_end_at_their_limit() -> None:
    assert adjust.fit([too_seldom(2.0)]).abs().max() == adjust.LIMIT


def test_half_of_them_goes_into_the_biases_and_nowhere_else(tmp_path, pictures, capsys, monkeypatch) -> None:
    monkeypatch.setattr(adjust, "fit", lambda sets: torch.tensor([0.5, -0.25, 0.0]))
    seen = write(tmp_path / "seen.safetensors", Recipe(data=SPEC, variant="a"), 2)
    held, out = write(tmp_path / "held.safetensors", HELD), tmp_path / "out.safetensors"
    assert run(seen, "--held-out", held, "--data", pictures, "-o", out) == 0
    before, after = load_file(seen), load_file(out)
    assert before.keys() == after.keys()
    changed = {name: after[name] - before[name] for name in before if not torch.equal(before[name], after[name])}
    assert changed.keys() == {weights.BIAS}
    assert torch.allclose(changed[weights.BIAS], torch.tensor([0.25, -0.125, 0.0]), atol=1e-6)
    said = weights.metadata(out)
    assert said["logit_offsets"] == {"a": 0.25, "b": -0.125, "c": 0.0} and said["metrics"] == {}
    assert said["recipe"] == weights.metadata(seen)["recipe"]
    printed = capsys.readouterr().out
    assert re.search(r"^two .*^val ", printed, re.M | re.S) and "one" not in printed

    tensors, said = weights.as_trained(out)
    assert said == weights.metadata(seen) | {"metrics": {}}
    assert all(torch.allclose(tensors[name], before[name], atol=1e-6) for name in before)
    again = tmp_path / "again.safetensors"
    assert run(out, "--held-out", held, "--data", pictures, "-o", again) == 0
    assert weights.metadata(again) == weights.metadata(out)
    assert torch.allclose(load_file(again)[weights.BIAS], after[weights.BIAS], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": to_dict(Recipe(data=SPEC, variant="a"))}, "held.safetensors: its training saw every street"),
        ({"recipe": None}, "held.safetensors: its metadata have no recipe"),
    ],
)
def test_weights_that_hold_nothing_out_are_refused(tmp_path, pictures, capsys, change, message) -> None:
    seen, held = write(tmp_path / "seen.safetensors", HELD), write(tmp_path / "held.safetensors", HELD, **change)
    assert run(seen, "--held-out", held, "--data", pictures, "-o", tmp_path / "out.safetensors") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logit_offsets": {"a": 0.5}}, "seen.safetensors: logit_offsets in its metadata are {'a': 0.5}; expected"),
        ({"logit_offsets": [0.5, 0.5, 0.5]}, "seen.safetensors: logit_offsets in its metadata are [0.5, 0.5, 0.5]"),
        ({"logit_offsets": {"d": 0.5}, "classes": ["d"]}, "expected a number for each of the classes ['d']"),
        ({"classes": ["a", "b", "d"]}, "seen.safetensors: expected classifier.predict.bias of "),
    ],
)
def test_weights_that_offsets_do_not_belong_to_are_refused(tmp_path, pictures, capsys, change, message) -> None:
    seen, held = write(tmp_path / "seen.safetensors", HELD, **change), write(tmp_path / "held.safetensors", HELD)
    assert run(seen, "--held-out", held, "--data", pictures, "-o", tmp_path / "out.safetensors") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
