"""What a run shows of itself: a CSV log, curves and sample predictions as PNG."""

import csv
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from lrnnet.data import DataSpec, Sample
from lrnnet.weights import write_atomically

matplotlib.use("Agg")  # files only, no display
from matplotlib import pyplot as plt  # noqa: E402

FIELDS = ("time", "minutes", "step", "images", "progress", "rate", "loss", "train_miou", "val_miou", "val_accuracy")


def append_row(path: Path, row: dict) -> None:
    """Add one row to the log; figures that were not measured stay empty."""
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow(row)


def draw_curves(log: Path, out: Path) -> None:
    """Loss, mIoU and learning rate over the images seen."""
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))

    def column(name: str) -> tuple[list[float], list[float]]:
        known = [(float(r["images"]), float(r[name])) for r in rows if r[name]]
        return [x for x, _ in known], [y for _, y in known]

    figure, axes = plt.subplots(3, 1, figsize=(7, 8), sharex=True, layout="constrained")
    for axis, names in zip(axes, (["loss"], ["train_miou", "val_miou"], ["rate"]), strict=True):
        for name in names:
            axis.plot(*column(name), marker=".", label=name)
        axis.legend()
        axis.grid(alpha=0.3)
    axes[1].set_ylim(0, 1)
    axes[2].set_xlabel("images seen")
    write_atomically(out, lambda temporary: figure.savefig(temporary, dpi=110))
    plt.close(figure)


def coloured(label: np.ndarray, spec: DataSpec) -> np.ndarray:
    """`uint8 [h, w]` -> `uint8 [h, w, 3]` in the data set's palette; ignored pixels are black."""
    table = np.zeros((256, 3), np.uint8)
    table[: spec.classes] = spec.palette
    return table[label]


def draw_predictions(samples: list[Sample], predictions: list[np.ndarray], spec: DataSpec, out: Path) -> None:
    """One row per sample: picture, label, prediction."""
    rows = [
        np.hstack([s.image, coloured(s.label, spec), coloured(p, spec)])
        for s, p in zip(samples, predictions, strict=True)
    ]
    write_atomically(out, Image.fromarray(np.vstack(rows)).save)
