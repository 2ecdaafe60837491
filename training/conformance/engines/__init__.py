"""The engines that files are run in, a module each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Outputs = dict[str, np.ndarray]  # by the names of the file; the first axis is the batch


@dataclass(frozen=True)
class Task:
    """A file and what it is fed with."""

    path: Path
    image: np.ndarray  # the file's input
    picture: np.ndarray  # uint8 [h, w, 3], of which the input was made


@dataclass(frozen=True)
class Engine:
    """Something that runs ONNX files."""

    name: str
    version: str
    run: Callable[[Task], Outputs]
