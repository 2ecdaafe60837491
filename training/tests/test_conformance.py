"""The comparisons of `conformance` and `agreement.py` must be able to fail."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from agreement import FORMS, agrees
from conformance.cases import Case
from conformance.engines import Engine, Task
from conformance.golden import Golden, disagreements, upsample
from conformance.report import Limit, Report

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


LISTED = Limit("engine", {"config": {"c"}}, "logits differ")


@pytest.mark.parametrize(
    ("limits", "error", "scale", "passed", "refused", "failures"),
    [
        ([], None, 1, 1, 0, []),
        ([], "logits differ", 1, 0, 0, ["logits differ"]),
        ([], None, 2, 0, 0, ["logits differ by"]),
        ([LISTED], "the logits differ", 1, 0, 1, []),
        ([LISTED], None, 2, 0, 1, []),
        ([LISTED], "no memory", 1, 0, 0, ["no memory"]),
        ([LISTED], None, 1, 0, 0, ["works, but docs/compatibility.md lists it"]),
    ],
)
def test_just_what_is_listed_may_fail(limits, error, scale, passed, refused, failures) -> None:
    golden, outputs = perfect()
    outputs = {"logits8": scale * outputs["logits8"][None]}

    def run(_: Task) -> dict[str, np.ndarray]:
        if error:
            raise RuntimeError(error)
        return outputs

    report = Report(limits)
    task = Task(Path("model.onnx"), golden.feed(CASE), golden.picture)
    report.engine(Engine("engine", "1.0", run), CASE, task, golden)
    assert (report.passed.get("engine", 0), report.refused.get("engine", 0)) == (passed, refused)
    assert len(report.failures) == len(failures)
    assert all(part in text for part, text in zip(failures, report.failures, strict=True))
