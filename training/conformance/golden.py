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
        batch = np.stack([image] * (1 if case.shape == "static" else 2))
        return np.ascontiguousarray(batch)  # else the values would go into a file of tensors in another order

    def decided(self, tie: float) -> np.ndarray:
        """bool `[h, w]`: pixels whose two largest logits are no near-tie."""
        largest = np.partition(upsample(self.logits8, self.classes.shape), -2, axis=0)
        return largest[-1] - largest[-2] > tie * np.abs(self.logits8).max()


def upsample(logits8: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with half-pixel centres: `[classes, h/8, w/8] -> [classes, h, w]`."""
    return np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR) for plane in logits8])


def class_maps(case: Case, golden: Golden, outputs: Outputs) -> dict[str, np.ndarray]:
    """Each class map that an engine's outputs for one picture give, by what it is made of."""
    maps = {"class_map": outputs["class_map"]} if "class_map" in outputs else {}
    logits = outputs.get("logits8", outputs.get("logits"))
    if logits is not None:
        full_size = upsample(logits, golden.classes.shape) if case.head == "logits-8" else logits
        maps["argmax of the logits"] = full_size.argmax(0)
    return maps


def agreements(case: Case, golden: Golden, outputs: Outputs, slack: float = 1) -> dict[str, float]:
    """The share of pixels, near-ties aside, in which each class map is PyTorch's."""
    decided = golden.decided(slack * TIE[case.precision])
    maps = class_maps(case, golden, outputs)
    return {name: float((found == golden.classes)[decided].mean()) for name, found in maps.items()}


def disagreements(case: Case, golden: Golden, outputs: Outputs, slack: float = 1) -> Iterator[str]:
    """How an engine's outputs for one picture differ from PyTorch's, beyond `slack` times the tolerances of logits."""
    logits = outputs.get("logits8", outputs.get("logits"))
    if logits is not None:
        expected = golden.logits8 if case.head == "logits-8" else upsample(golden.logits8, golden.classes.shape)
        error = largest_difference(logits, expected)
        if not error <= slack * LOGITS_TOLERANCE[case.precision]:
            yield f"logits differ by {error:.1e} of the largest"
    found = agreements(case, golden, outputs, slack)
    for name, agreement in found.items():
        if not agreement >= LEAST_AGREEMENT[case.precision]:
            yield f"{name}: {100 * agreement:.3f} % of the pixels agree with PyTorch"
    if not found:
        yield f"no class map and no logits among the outputs {sorted(outputs)}"
