"""Data sets held in memory: split folders of pictures and labels (CamVid, one's own) and the Cityscapes layout.

An image is `uint8 [h, w, 3]` RGB, a label map `uint8 [h, w]` of class ids; `ignore` marks pixels without a class.
"""

from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import cv2
import numpy as np
from PIL import Image, ImageOps
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from tqdm import tqdm

STRICT = ConfigDict(extra="forbid")  # a misspelt key of a recipe is an error

Byte = Annotated[int, Field(ge=0, le=255)]


@dataclass(frozen=True, config=STRICT)
class DataSpec:
    """What a data set's class ids mean, and how its files lie."""

    name: str
    class_names: tuple[str, ...]
    palette: tuple[tuple[Byte, Byte, Byte], ...]  # RGB
    trained_size: tuple[int, int]  # height, width
    ignore: Byte = 255
    layout: Literal["folders", "cityscapes"] = "folders"

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @model_validator(mode="after")
    def check(self) -> Self:
        if not 1 <= self.classes <= 255 or len(self.palette) != self.classes:
            raise ValueError(f"{self.classes} class names and {len(self.palette)} colours; expected 1 to 255 of each")
        if self.ignore < self.classes:
            raise ValueError(f"ignore is {self.ignore}, the id of {self.class_names[self.ignore]}")
        return self


CAMVID = DataSpec(
    name="camvid",
    class_names=(
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree",
        "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ),
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    trained_size=(360, 480),
    ignore=11,
)  # fmt: skip

CITYSCAPES = DataSpec(
    name="cityscapes",
    class_names=(
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
        "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    ),
    palette=(
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
        (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60),
        (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
    trained_size=(512, 1024),
    layout="cityscapes",
)  # fmt: skip

SPECS = {spec.name: spec for spec in (CAMVID, CITYSCAPES)}


class DataError(Exception):
    """A data set that cannot be used; the message names the file."""


@plain_dataclass(frozen=True)
class Sample:
    name: str
    image: np.ndarray
    label: np.ndarray

    @property
    def sequence(self) -> str:
        """The clip that the picture is of: the stem's part before the first underscore, as CamVid names them."""
        return self.name.split("_")[0]


def folder_pairs(root: Path, split: str) -> list[tuple[str, Path, Path]]:
    """`(stem, image, label)` of `ROOT/SPLIT/images/*` and `ROOT/SPLIT/labels/*`, matched by stem."""
    images = {p.stem: p for p in sorted((root / split / "images").glob("*.*"))}
    labels = {p.stem: p for p in sorted((root / split / "labels").glob("*.*"))}
    return matched(root / split, images, labels)


def cityscapes_pairs(root: Path, split: str) -> list[tuple[str, Path, Path]]:
    """`(stem, image, label)` of `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and `gtFine/...labelTrainIds.png`."""
    image_end, label_end = "_leftImg8bit.png", "_gtFine_labelTrainIds.png"
    images = {p.name.removesuffix(image_end): p for p in sorted((root / "leftImg8bit" / split).glob("*/*" + image_end))}
    labels = {p.name.removesuffix(label_end): p for p in sorted((root / "gtFine" / split).glob("*/*" + label_end))}
    return matched(root, images, labels)


def matched(where: Path, images: dict[str, Path], labels: dict[str, Path]) -> list[tuple[str, Path, Path]]:
    if not images:
        raise DataError(f"{where}: no images found")
    alone = sorted(images.keys() ^ labels.keys())
    if alone:
        raise DataError(f"{where}: {len(alone)} file(s) without a partner of the same stem: {', '.join(alone[:5])}")
    return [(stem, images[stem], labels[stem]) for stem in images]


PAIRS = {"folders": folder_pairs, "cityscapes": cityscapes_pairs}


def read_sample(name: str, image_path: Path, label_path: Path, spec: DataSpec) -> Sample:
    try:
        image = np.asarray(ImageOps.exif_transpose(Image.open(image_path)).convert("RGB"))
        label = np.asarray(Image.open(label_path))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's, for broken files
        raise DataError(f"{name}: cannot read {image_path} with {label_path}: {error}") from error
    if label.ndim != 2 or label.dtype != np.uint8:
        raise DataError(f"{label_path}: expected an 8-bit grey picture of class ids, found {label.dtype} {label.shape}")
    if label.shape != image.shape[:2]:
        raise DataError(f"{label_path}: label is {label.shape}, its image {image.shape[:2]}")
    wrong = np.unique(label[(label >= spec.classes) & (label != spec.ignore)])
    if wrong.size:
        raise DataError(
            f"{label_path}: class ids {wrong.tolist()}; expected 0 to {spec.classes - 1} or {spec.ignore} (ignored)"
        )
    return Sample(name, image, label)


def scaled(sample: Sample, size: tuple[int, int]) -> Sample:
    """The sample at `size` (height, width), for training at less than the pictures' resolution."""
    out = (size[1], size[0])
    return Sample(
        sample.name,
        cv2.resize(sample.image, out, interpolation=cv2.INTER_AREA),
        cv2.resize(sample.label, out, interpolation=cv2.INTER_NEAREST),
    )


def load(root: Path, split: str, spec: DataSpec, size: tuple[int, int] | None = None) -> list[Sample]:
    """All samples of one split, decoded. `split` may join several with `+`, such as `train+val`."""
    pairs = [pair for part in split.split("+") for pair in PAIRS[spec.layout](root, part)]
    samples = (read_sample(*pair, spec) for pair in tqdm(pairs, desc=f"load {split}", leave=False))
    return [scaled(s, size) if size else s for s in samples]


def split_off(samples: list[Sample], sequence: str) -> tuple[list[Sample], list[Sample]]:
    """The samples of all other sequences, and those of `sequence`; neither may be empty."""
    held = [s for s in samples if s.sequence == sequence]
    rest = [s for s in samples if s.sequence != sequence]
    if not rest or not held:
        names = ", ".join(sorted({s.sequence for s in samples}))
        raise DataError(f"sequence {sequence!r} has {len(held)} of {len(samples)} pictures; the sequences are {names}")
    return rest, held


def class_weights(samples: list[Sample], spec: DataSpec) -> np.ndarray:
    """`float32 [classes]`: `1 / ln(1.10 + p)` of each class's share of the labelled pixels (ENet's weighting)."""
    counts = sum(np.bincount(s.label.ravel(), minlength=256)[: spec.classes] for s in samples)
    return (1 / np.log(1.10 + counts / counts.sum())).astype(np.float32)
