"""The parts of the comparison that no engine is needed for. `python -m pytest benches/peers`"""

import math

import pytest

from figures import Figures, disagreeing, percent, report, table
from rows import Row, RowError

# The second half of the rounds ran on a machine of half the speed.
TORCH = Figures("ort:torch", [100.0, 102.0, 200.0, 202.0], 1.0)
OURS = Figures("ort:deploy", [50.0, 61.2, 120.0, 101.0], 0.99996)


def test_ratios_are_taken_round_by_round():
    assert OURS.ratio(TORCH) == pytest.approx((0.5 + 0.6) / 2)
    assert TORCH.ratio(TORCH) == 1.0
    assert OURS.ratio(TORCH) != pytest.approx(OURS.median() / TORCH.median())


def test_rows_of_other_rounds_have_no_ratio():
    with pytest.raises(ValueError):
        OURS.ratio(Figures("ort:torch", [1.0, 2.0], 1.0))


def test_the_table_is_read_against_its_denominator():
    lines = table([TORCH, OURS], "ort:torch").splitlines()
    assert lines[2:] == [
        "| `ort:torch` | 151.0 | 100.0 | 202.0 | 1.000 | 100.000 % |",
        "| `ort:deploy` | 81.1 | 50.0 | 120.0 | 0.550 | 99.996 % |",
    ]
    assert [row["ratio"] for row in report([TORCH, OURS], "ort:deploy")] == pytest.approx([1 / 0.5 / 2 + 1 / 1.2, 1.0])
    with pytest.raises(StopIteration):
        table([OURS], "ort:torch")


def test_what_is_no_number_agrees_with_nothing():
    other, none = Figures("other", [1.0], 0.97), Figures("none", [1.0], math.nan)
    assert disagreeing([TORCH, OURS, other, none], 0.98) == ["other", "none"]
    assert (percent(math.nan), percent(0.999999), percent(1.0)) == ("NaN", "99.999 %", "100.000 %")


@pytest.mark.parametrize(
    ("text", "engine", "file", "head"),
    [
        ("ort:torch", "ort", "torch", "class-map"),
        ("ort:plain", "ort", "plain", "class-map"),
        ("openvino-bf16:deploy/logits-8", "openvino-bf16", "deploy", "logits-8"),
        ("run:deploy", "run", "deploy", "class-map"),
        ("ort:a/b.onnx", "ort", "a/b.onnx", None),
    ],
)
def test_rows_are_an_engine_and_a_file(text, engine, file, head):
    row = Row.parse(text)
    assert (row.engine, row.file, row.head, str(row)) == (engine, file, head, text)


@pytest.mark.parametrize(
    "text", ["", "ort", "tvm:torch", "ort:", "ort:deploy/logits", "run:torch", "ort:torch/logits-8"]
)
def test_other_words_are_no_rows(text):
    with pytest.raises(RowError, match="row"):
        Row.parse(text)
