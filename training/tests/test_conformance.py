"""The comparisons of `conformance` and `agreement.py` must be able to fail."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from agreement import FORMS, agrees
from conformance import matrix
from conformance.cases import CASES, Case, covering
from conformance.engines import Engine, Task
from conformance.golden import Golden, disagreements, upsample
from conformance.report import Limit, Report, Tally

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
    report.engine(Engine("engine", "1.0", "something", run), CASE, task, golden)
    tally = report.tallies["engine"]
    assert (tally.agreed, tally.refused) == (passed, refused)
    assert tally.agreement == ({"fp32": 1.0} if passed else {})
    assert len(report.failures) == len(failures)
    assert all(part in text for part, text in zip(failures, report.failures, strict=True))


def tally(version: str = "1.0", agreed: int = 2, **agreement: float) -> Tally:
    return Tally(Engine("engine", version, "everything", run=None), agreed, 1, agreement)


def test_the_table_of_engines_is_what_was_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{matrix.BEGIN}\n{matrix.END}\nafter\n")
    assert len(list(matrix.faults(page, {"engine": tally()}))) == 1
    other = Tally(Engine("other", "2.0", "nothing", run=None))
    matrix.write(page, {"other": other})
    matrix.write(page, {"engine": tally(fp32=0.999999, int8=0.98)})
    assert page.read_text().startswith("before\n") and page.read_text().endswith("\nafter\n")
    assert "| engine | 1.0 | everything | 2 | 1 | 99.999 | | 98.000 |" in page.read_text()
    same = {"engine": tally(fp32=0.9999, int8=0.99), "other": other}
    assert not list(matrix.faults(page, same)), "figures are another CPU's matter"
    for changed in (tally("1.1", fp32=1.0, int8=1.0), tally(agreed=3, fp32=1.0, int8=1.0), tally(fp32=1.0)):
        assert len(list(matrix.faults(page, {"engine": changed}))) == 1


def test_every_choice_is_in_what_slow_engines_are_given() -> None:
    def choices(cases: list[Case]) -> set[tuple[str, object]]:
        return {choice for case in cases for choice in dataclasses.asdict(case).items()}

    few = covering(CASES)
    assert choices(few) == choices(CASES)
    assert len(few) < 0.6 * len(CASES)
