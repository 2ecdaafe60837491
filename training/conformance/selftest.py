"""The self-test that files carry (docs/metadata.md)."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx

from lrnnet import synthetic

from .engines import Engine, Task


def passes_selftest(record: dict, ids: np.ndarray) -> bool:
    """Whether a class map is the exporter's but for near ties (docs/metadata.md)."""
    if record["version"] != 2:
        raise ValueError(f"self-test of version {record['version']}; expected 2")
    runs = record["near_ties"]
    near_tie = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    clear = ids.astype(np.uint8).ravel()[~near_tie] if ids.size == near_tie.size else np.empty(0, np.uint8)
    return hashlib.sha256(clear).hexdigest() == record["clear_sha256"]


def selftest_faults(path: Path, engines: Iterable[Engine]) -> Iterator[str]:
    """Engines in which a file with a class map does not pass its self-test, and damage with which it does."""
    record = json.loads({entry.key: entry.value for entry in onnx.load(path).metadata_props}["selftest"])
    picture = synthetic.image(record["height"], record["width"])
    for engine in engines:
        ids = engine.run(Task(path, picture[None], picture))["class_map"]
        if not passes_selftest(record, ids):
            yield f"{engine.name}: the self-test fails"
        for damage, damaged in {"mirrored": ids[..., ::-1], "shifted": np.roll(ids, 1, axis=2)}.items():
            if passes_selftest(record, damaged):
                yield f"{engine.name}: the self-test passes a class map that is {damage}"
