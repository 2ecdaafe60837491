"""The comparisons of `conformance.py` and `agreement.py` must be able to fail."""

import dataclasses
import math

import numpy as np
import pytest

from agreement import FORMS, agrees
from conformance import Case, Golden, disagreements, upsample

CASE = Case("c", head="logits-8", trained=True)


def perfect() -> tuple[Golden, dict[str, np.ndarray]]:
    """A golden answer and an engine that gives it, logits and class map."""
    golden = Golden.of(CASE)
    return golden, {"logits8": golden.logits8.copy(), "class_map": golden.classes.astype(np.float32)}


def test_the_golden_answer_agrees_with_itself() -> None:
    golden, outputs = perfect()
    assert not list(disagreements(CASE, golden, outputs))


@pytest.mark.parametrize("name", ["logits8", "class_map"])
@pytest.mark.parametrize("share", [0.01, 1.0])
def test_nan_from_an_engine_disagrees(name, share) -> None:
    golden, outputs = perfect()
    flat = outputs[name].reshape(-1)
    flat[: math.ceil(share * len(flat))] = math.nan
    assert any(name == "class_map" or "logits differ" in text for text in disagreements(CASE, golden, outputs))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the mean of no pixel
def test_golden_logits_of_nan_disagree_with_everything() -> None:
    golden, outputs = perfect()
    golden = dataclasses.replace(golden, logits8=np.full_like(golden.logits8, math.nan))
    assert len(list(disagreements(CASE, golden, outputs))) == 3


def test_upsampling_does_not_lose_nan() -> None:
    planes = np.zeros((1, 2, 2), np.float32)
    planes[0, 1, 1] = math.nan
    assert np.isnan(upsample(planes, (16, 16))[0, -1, -1])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_nan_points_never_agree(form) -> None:
    assert agrees(form, 66.7, 66.7)
    assert not agrees(form, math.nan, 66.7)
    assert form.name == "fp16" or not (agrees(form, 66.7, math.nan) or agrees(form, 66.6, 66.8))
