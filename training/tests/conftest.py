"""Tiny data sets drawn into a temporary folder: rectangles of class colours with noise."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrnnet.data import CAMVID, CITYSCAPES, DataSpec

FIXTURES = Path(__file__).parents[2] / "fixtures"


def drawn_label(spec: DataSpec, seed: int, size: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    label = np.full(size, spec.ignore, np.uint8)
    for _ in range(12):
        y, x = rng.integers(0, size[0] - 8), rng.integers(0, size[1] - 8)
        label[y : y + rng.integers(8, 40), x : x + rng.integers(8, 60)] = rng.integers(0, spec.classes)
    return label


def drawn_image(spec: DataSpec, label: np.ndarray) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    table[: spec.classes] = spec.palette
    return table[label]


def write_pair(image_path: Path, label_path: Path, spec: DataSpec, seed: int, size: tuple[int, int]) -> None:
    label = drawn_label(spec, seed, size)
    for path, pixels in ((image_path, drawn_image(spec, label)), (label_path, label)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Six training pictures of two sequences and two of validation, 64 x 96."""
    root = tmp_path / "camvid"
    names = {"train": [f"{s}_{i:06}" for s in ("0001TP", "0006R0") for i in range(3)], "val": ["0016E5_1", "0016E5_2"]}
    for split, stems in names.items():
        for seed, stem in enumerate(stems):
            image, label = (root / split / kind / f"{stem}.png" for kind in ("images", "labels"))
            write_pair(image, label, CAMVID, seed, (64, 96))
    return root


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Two training pictures and one of validation, 64 x 128, in two cities."""
    root = tmp_path / "cityscapes"
    for seed, (split, city) in enumerate((("train", "aachen"), ("train", "bochum"), ("val", "ulm"))):
        stem = f"{city}_000000_000019"
        image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
        label = root / "gtFine" / split / city / f"{stem}_gtFine_labelTrainIds.png"
        write_pair(image, label, CITYSCAPES, seed, (64, 128))
    return root
