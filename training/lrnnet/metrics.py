"""Confusion matrix and the figures read off it."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from lrnnet.data import MEAN, STD, DataSpec, Sample


def normalised(images: Tensor) -> Tensor:
    """`uint8 [n, h, w, 3]` RGB -> `float32 [n, 3, h, w]`, `(x / 255 - mean) / std`."""
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return (images.permute(0, 3, 1, 2).float() / 255 - mean) / std


def confusion_matrix(spec: DataSpec, device: str = "cpu") -> MulticlassConfusionMatrix:
    return MulticlassConfusionMatrix(spec.classes, ignore_index=spec.ignore, validate_args=False).to(device)


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


@torch.inference_mode()
def predict(model: nn.Module, image: np.ndarray, size: tuple[int, int] | None, device: str) -> np.ndarray:
    """`uint8 [h, w, 3]` -> `uint8 [h, w]` class ids.

    The picture is scaled to `size` (bilinear, half-pixel, no antialias) and the logits back to the picture's own
    size; without `size` it must already be a size the network takes.
    """
    x = normalised(torch.tensor(image, device=device)[None])
    if size and size != image.shape[:2]:
        x = F.interpolate(x, size, mode="bilinear", align_corners=False)
    logits = model(x)
    if logits.shape[-2:] != image.shape[:2]:
        logits = F.interpolate(logits, image.shape[:2], mode="bilinear", align_corners=False)
    return logits.argmax(1)[0].to(torch.uint8).cpu().numpy()


def evaluate(model: nn.Module, samples: list[Sample], spec: DataSpec, size: tuple[int, int] | None, device: str):
    """The figures of `model` on `samples` at label resolution, and the confusion matrix behind them."""
    was_training = model.training
    model.eval()
    matrix = confusion_matrix(spec)
    for sample in samples:
        matrix.update(
            torch.from_numpy(predict(model, sample.image, size, device)).long(),
            torch.from_numpy(sample.label.astype(np.int64)),
        )
    model.train(was_training)
    confusion = matrix.compute().numpy()
    return figures(confusion, spec) | {"images": len(samples)}, confusion
