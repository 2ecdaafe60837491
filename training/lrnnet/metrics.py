"""Predictions and the confusion matrix of a split."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from lrnnet.data import DataSpec, Sample
from lrnnet.figures import figures
from lrnnet.normalise import normalised


def confusion_matrix(spec: DataSpec, device: str = "cpu") -> MulticlassConfusionMatrix:
    return MulticlassConfusionMatrix(spec.classes, ignore_index=spec.ignore, validate_args=False).to(device)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """`uint8 [h, w, 3]` -> `uint8 [*size, 3]`: bilinear, half-pixel, no antialias, rounded to bytes."""
    planes = image.permute(2, 0, 1)[None].float()
    planes = F.interpolate(planes, size, mode="bilinear", align_corners=False)
    return (planes + 0.5).floor().to(torch.uint8)[0].permute(1, 2, 0)


@torch.inference_mode()
def predict(model: nn.Module, image: np.ndarray, size: tuple[int, int], device: str) -> np.ndarray:
    """`uint8 [h, w, 3]` -> `uint8 [h, w]` class ids, as `lrnnet-run` does it.

    The network sees the picture at `size` (height, width); the class map goes back to the picture's size by nearest
    neighbour.
    """
    pixels = torch.tensor(image, device=device)
    if size != image.shape[:2]:
        pixels = resized(pixels, size)
    class_map = model(normalised(pixels[None])).argmax(1, keepdim=True)
    if size != image.shape[:2]:
        class_map = F.interpolate(class_map.float(), image.shape[:2], mode="nearest-exact")
    return class_map[0, 0].to(torch.uint8).cpu().numpy()


def evaluate(model: nn.Module, samples: list[Sample], spec: DataSpec, size: tuple[int, int], device: str):
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
