import math

import numpy as np
import pytest

from lrnnet.compare import largest_difference, share_of_others

NAN, INF = math.nan, math.inf


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    ("found", "expected", "difference"),
    [
        ([1, 2, -4], [1, 2, -4], 0),
        ([1, 2, -4], [1, 3, -4], 0.25),
        ([0, 0], [0, 0], 0),
        ([0, 1], [0, 0], INF),
        ([1, NAN], [1, 2], INF),
        ([1, 2], [1, NAN], INF),
        ([NAN, NAN], [NAN, NAN], INF),
        ([1, INF], [1, 2], INF),
        ([1, 2], [1, INF], INF),
        ([1, INF], [1, INF], INF),
        ([1, 2], [1, 2, 3], INF),
    ],
)
def test_the_largest_difference_is_never_nan(found, expected, difference) -> None:
    assert largest_difference(np.float32(found), np.float32(expected)) == difference


def test_nan_is_another_value_than_any() -> None:
    assert share_of_others(np.array([1, 2, NAN, 4]), np.array([1, 3, NAN, 4])) == 0.5
    assert share_of_others(np.zeros(4), np.zeros((4, 1))) == INF
