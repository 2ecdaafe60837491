"""The figures that are read off a confusion matrix. Needs no PyTorch."""

import numpy as np

from lrnnet.data import DataSpec


def figures(confusion: np.ndarray, spec: DataSpec) -> dict:
    """`miou`, `iou` by class name, `pixel_accuracy`, all 0 to 1; rows of `confusion` are the true classes.

    A class that is neither labelled nor predicted has no IoU and does not count in the mean.
    """
    confusion = confusion.astype(np.float64)
    hit = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hit
    iou = np.where(union > 0, hit / np.maximum(union, 1), np.nan)
    return {
        "miou": float(np.nanmean(iou)),
        "iou": {name: None if np.isnan(v) else float(v) for name, v in zip(spec.class_names, iou, strict=True)},
        "pixel_accuracy": float(hit.sum() / max(confusion.sum(), 1)),
    }
