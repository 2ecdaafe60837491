import numpy as np
import pytest

from lrnnet.data import CAMVID
from lrnnet.figures import figures


def test_figures_by_hand() -> None:
    confusion = np.zeros((11, 11), int)
    confusion[0, 0], confusion[0, 1], confusion[1, 1], confusion[3, 1] = 6, 2, 3, 1
    found = figures(confusion, CAMVID)
    assert found["iou"]["Sky"] == 6 / 8 and found["iou"]["Building"] == 3 / 6 and found["iou"]["Road"] == 0
    assert found["iou"]["Tree"] is None  # neither labelled nor predicted
    assert found["miou"] == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert found["pixel_accuracy"] == 9 / 12
