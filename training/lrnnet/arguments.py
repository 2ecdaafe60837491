"""Values that several programs take on their command lines."""

import argparse
import math


def size(text: str) -> tuple[int, int]:
    """`HxW`, two multiples of 8."""
    try:
        height, width = (int(side) for side in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected HxW such as 512x1024") from None
    if min(height, width) < 8 or height % 8 or width % 8:
        raise argparse.ArgumentTypeError(f"{text!r}: height and width must be multiples of 8")
    return height, width


def positive(kind: type):
    """A number above 0."""

    def parse(text: str):
        if not 0 < (value := kind(text)) < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return parse
