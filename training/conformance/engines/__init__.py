"""The engines that files are run in, a module each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cases import Case

Outputs = dict[str, np.ndarray]  # by the names of the file; the first axis is the batch


@dataclass(frozen=True)
class Task:
    """A file and what it is fed with."""

    path: Path
    image: np.ndarray  # the file's input
    picture: np.ndarray  # uint8 [h, w, 3], of which the input was made


@dataclass(frozen=True)
class Programs:
    """Programs of this repository that some engines are in."""

    lrnnet_run: Path | None = None
    segment_opencv: Path | None = None


@dataclass(frozen=True)
class Engine:
    """Something that runs ONNX files."""

    name: str
    version: str
    takes: str  # in words
    run: Callable[[Task], Outputs]
    slack: float = 1  # times the tolerances of logits, for engines that transform convolutions (Winograd)
    slow: bool = False  # too slow for every file
    asks: Callable[[Case], bool] = lambda case: True  # whether it can be given such a file at all
