"""How far two arrays are apart, NumPy's or PyTorch's: the figures that tolerances are held against.

`max` and `>` lose NaN. So where a figure would be none, it is infinite, which no tolerance allows. Needs no PyTorch.
"""

import math


def largest_difference(found, expected) -> float:
    """Relative to the largest expected value; infinite for NaN and infinity in either, and for different shapes."""
    if tuple(found.shape) != tuple(expected.shape):
        return math.inf
    difference, largest = float(abs(found - expected).max()), float(abs(expected).max())
    if difference == 0:
        return 0.0
    relative = difference / largest if largest else math.inf
    return relative if math.isfinite(relative) and math.isfinite(largest) else math.inf


def share_of_others(found, expected) -> float:
    """The share of elements, 0 to 1, that differ, as NaN does from all; infinite for different shapes."""
    if tuple(found.shape) != tuple(expected.shape):
        return math.inf
    return int((found != expected).sum()) / math.prod(found.shape)
