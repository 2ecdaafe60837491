"""What PyTorch makes of a picture, and how far from it an engine may be."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from safetensors.numpy import load_file

from lrnnet import synthetic
from lrnnet.compare import largest_difference

from .cases import ROOT, Case
from .engines import Outputs

MEAN = np.float32([0.485, 0.456, 0.406])
STD = np.float32([0.229, 0.224, 0.225])
TIE = {"fp32": 1e-4, "fp16": 1e-4, "int8": 0.05}  # of the largest logit: closer logits may come out in either order
LEAST_AGREEMENT = {"fp32": 0.9999, "fp16": 0.995, "int8": 0.98}  # of the pixels that are no near-ties
LOGITS_TOLERANCE = {"fp32": 1e-4, "fp16": 3e-2, "int8": 0.25}  # of the largest logit


@dataclass(frozen=True)
class Golden:
    """What PyTorch makes of a picture."""

    picture: np.ndarray  # uint8 [h, w, 3]
    classes: np.ndarray  # uint8 [h, w]
    logits8: np.ndarray  # float32 [classes, h/8, w/8]

    @classmethod
    def of(cls, case: Case) -> "Golden":
        if case.trained:
            tensors = load_file(ROOT / "fixtures/oracle/io-72x136.safetensors")
            picture, key = tensors["image"], f"c-camvid/{case.config}"
        else:
            tensors = load_file(ROOT / "fixtures/golden.safetensors")
            height, width = map(int, case.size.split("x"))
            picture, key = synthetic.image(height, width), f"{case.config}/{case.size}"
        return cls(picture, tensors[f"{key}/classes"][0], tensors[f"{key}/logits8"][0])

    def feed(self, case: Case) -> np.ndarray:
        """The picture as the case's input; twice where the batch is free."""
        image = self.picture
        if case.input == "f32-nchw":
            image = ((image.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)
        return np.stack([image] * (2 if case.shape == "dynamic" else 1))

    def decided(self, tie: float) -> np.ndarray:
        """bool `[h, w]`: pixels whose two largest logits are no near-tie."""
        largest = np.partition(upsample(self.logits8, self.classes.shape), -2, axis=0)
        return largest[-1] - largest[-2] > tie * np.abs(self.logits8).max()


def upsample(logits8: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with half-pixel centres: `[classes, h/8, w/8] -> [classes, h, w]`."""
    return np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR) for plane in logits8])


def disagreements(case: Case, golden: Golden, outputs: Outputs) -> Iterator[str]:
    """How an engine's outputs for one picture differ from PyTorch's, beyond tolerance."""
    size = golden.classes.shape
    maps = {"class_map": outputs["class_map"]} if "class_map" in outputs else {}
    logits = outputs.get("logits8", outputs.get("logits"))
    if logits is not None:
        expected = golden.logits8 if case.head == "logits-8" else upsample(golden.logits8, size)
        error = largest_difference(logits, expected)
        if not error <= LOGITS_TOLERANCE[case.precision]:
            yield f"logits differ by {error:.1e} of the largest"
        full_size = upsample(logits, size) if case.head == "logits-8" else logits
        maps["argmax of the logits"] = full_size.argmax(0)
    decided = golden.decided(TIE[case.precision])
    for name, found in maps.items():
        agreement = (found == golden.classes)[decided].mean()
        if not agreement >= LEAST_AGREEMENT[case.precision]:
            yield f"{name}: {100 * agreement:.3f} % of {decided.sum()} pixels agree with PyTorch"
    if not maps:
        yield f"no class map and no logits among the outputs {sorted(outputs)}"
